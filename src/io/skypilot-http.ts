import { Agent, type fetch as undiciFetch, type Response } from 'undici'
import { readErrorReply } from '../core/skypilot-payload.js'
import {
  SkyPilotError,
  type SkyPilotErrorKind,
  shownMessage,
  skyPilotErrorKind,
} from '../core/skypilot-error.js'

/** The version of the API that this client was written for; servers answer in it as long as they know it. */
export const SKYPILOT_API_VERSION = 49
/** The release whose version of the API that is. A server compares versions only when it is told both. */
const SKYPILOT_RELEASE = '0.14.0'
/** Statuses of hundreds of clusters; the handles in them are kilobytes. */
const MOST_REPLY_BYTES = 32 * 1024 * 1024

export type Fetch = typeof undiciFetch

export interface SkyPilotReply {
  readonly status: number
  readonly text: string
  /** `X-Skypilot-Request-ID`: what a call that was accepted is known as. */
  readonly requestId: string | null
}

export interface SkyPilotCall {
  /** With its query. */
  readonly path: string
  /** Sent as JSON by POST; none: GET. */
  readonly body?: object
}

/** HTTP to one API server: who asks, how long a reply may be, and what its status means. */
export interface SkyPilotHttp extends AsyncDisposable {
  /** @throws SkyPilotError `unreachable`; the signal's reason once it is aborted; an Error when this is closed */
  send(call: SkyPilotCall, signal: AbortSignal): Promise<SkyPilotReply>
  /** As `send`, with the reply's body as it comes. */
  open(call: SkyPilotCall, signal: AbortSignal): Promise<Response>
  /** The error that a reply other than a 200 is. */
  refusal(reply: SkyPilotReply, hide: readonly string[]): SkyPilotError
}

/** @throws Error when the URL is not one of http(s), or has credentials in it */
export function createSkyPilotHttp(url: string, token: string | null, fetch: Fetch): SkyPilotHttp {
  const base = baseUrl(url)
  // The deadlines are the calls' own: a blocking get has nothing to say for minutes.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } })
  const headers = {
    'X-SkyPilot-API-Version': String(SKYPILOT_API_VERSION),
    'X-SkyPilot-Version': SKYPILOT_RELEASE,
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  }
  const ownSecrets = token === null ? [] : [token]

  let closed = false
  const failure = (error: unknown) => (closed ? new Error("SkyPilot's client is closed") : unreachable(error))

  async function open({ path, body }: SkyPilotCall, signal: AbortSignal): Promise<Response> {
    const content =
      body === undefined
        ? { method: 'GET', headers }
        : {
            method: 'POST',
            headers: { ...headers, 'content-type': 'application/json' },
            body: JSON.stringify(body),
          }
    signal.throwIfAborted()
    try {
      return await fetch(`${base}${path}`, { ...content, redirect: 'manual', signal, dispatcher: agent })
    } catch (error) {
      signal.throwIfAborted()
      throw failure(error)
    }
  }

  return {
    open,
    async send(call, signal) {
      const response = await open(call, signal)
      try {
        const text = await boundedText(response)
        return { status: response.status, text, requestId: response.headers.get('x-skypilot-request-id') }
      } catch (error) {
        signal.throwIfAborted()
        throw failure(error)
      }
    },
    refusal: (reply, hide) => refusal(reply, [...ownSecrets, ...hide]),
    async [Symbol.asyncDispose]() {
      closed = true
      await agent.destroy()
    },
  }
}

function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error('not an http(s) URL of SkyPilot')
  if (url.username !== '' || url.password !== '')
    throw new Error("credentials do not belong in SkyPilot's URL; it has a token")
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body is bytes')
    bytes += chunk.byteLength
    if (bytes > MOST_REPLY_BYTES) throw new Error('the reply is too long')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** The error's code alone: a message of the network's may hold an address or more. */
function unreachable(error: unknown): SkyPilotError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code: unknown = cause instanceof Error && 'code' in cause ? cause.code : null
  const why = typeof code === 'string' ? code : 'the connection was lost'
  return new SkyPilotError('unreachable', `SkyPilot's API server cannot be reached: ${why}`)
}

function refusal(reply: SkyPilotReply, hide: readonly string[]): SkyPilotError {
  const { status } = reply
  const said = readErrorReply(reply.text)
  const about = (kind: SkyPilotErrorKind, otherwise: string) => {
    const message = shownMessage(said?.message ?? '', hide)
    return new SkyPilotError(
      kind,
      `SkyPilot's API server ${message === '' ? otherwise : `says: ${message}`}`,
      said?.type ?? null,
    )
  }
  // A redirect of an authenticating proxy leads to a page for people; it is never followed.
  if (status === 302 || status === 303 || status === 307) return about('unauthorized', 'asks to log in')
  if (status === 401 || status === 403) return about('unauthorized', 'does not accept the token')
  if (status === 400 || status === 422)
    return about(
      typeof said?.type !== 'string' ? 'bad_task' : skyPilotErrorKind(said.type),
      'does not accept the request',
    )
  if (status >= 500 || status === 429) return about('unreachable', `answered ${status}`)
  if (status < 400) return about('unreachable', `answered ${status}; is its URL right?`)
  return about('failed', `answered ${status}`)
}
