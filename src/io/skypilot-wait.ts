import { setTimeout as sleep } from 'node:timers/promises'
import {
  parseJson,
  readErrorReply,
  readFailedRequest,
  readRequest,
  requestEnd,
  type RequestEnd,
  type SkyPilotRequest,
} from '../core/skypilot-payload.js'
import { SkyPilotError, shownMessage, skyPilotErrorKind } from '../core/skypilot-error.js'
import { type Deadline, startDeadline } from './deadline.js'
import type { SkyPilotHttp, SkyPilotReply } from './skypilot-http.js'

const LEAST_PAUSE_MS = 200
const MOST_PAUSE_MS = 5_000
/** Answers that nobody can read, after which a request is not asked for again: it will not become readable. */
const MOST_UNREADABLE = 5

export interface WaitSettings {
  /** Values that must not appear in an error. */
  readonly hide: readonly string[]
  /** How long one blocking get is held before it is renewed. */
  readonly getMs: number
}

type Answer =
  | { readonly answer: 'request'; readonly request: SkyPilotRequest }
  /** The get's own time is over: nothing is wrong. */
  | { readonly answer: 'still-waiting' }
  | { readonly answer: 'unavailable' | 'unreadable'; readonly error: SkyPilotError }

/**
 * Waits for the end of a request, however often the connection is cut or the server away, until the limit.
 * @returns the request and its value
 * @throws SkyPilotError by how the request ended; `request_lost` when the server has forgotten it; `unreachable` when the
 *   server was away at the limit, else `deadline`
 */
export async function waitForRequest(
  http: SkyPilotHttp,
  requestId: string,
  { hide, getMs }: WaitSettings,
  limit: Deadline,
): Promise<{ request: SkyPilotRequest; value: unknown }> {
  let pauseMs = LEAST_PAUSE_MS
  let unreadable = 0
  /** That the server could not be reached says more than that the time is over. */
  let trouble: SkyPilotError | null = null
  const endWith = (error: unknown) => (limit.expired && trouble !== null ? trouble : error)
  for (;;) {
    const answer = await get(http, requestId, { hide, getMs }, limit).catch((error: unknown) => {
      throw endWith(error)
    })
    switch (answer.answer) {
      case 'still-waiting':
        trouble = null
        pauseMs = LEAST_PAUSE_MS
        continue
      case 'request': {
        const end = requestEnd(answer.request)
        if (end.end === 'succeeded') return { request: answer.request, value: end.value }
        if (end.end !== 'unfinished') throw endError(answer.request, end, hide)
        trouble = null
        break
      }
      case 'unreadable':
        if (++unreadable >= MOST_UNREADABLE) throw answer.error
        trouble = answer.error
        break
      case 'unavailable':
        trouble = answer.error
        break
    }
    await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal: limit.signal }).catch(() => {})
    if (limit.signal.aborted) throw endWith(limit.signal.reason)
    pauseMs = Math.min(pauseMs * 2, MOST_PAUSE_MS)
  }
}

async function get(
  http: SkyPilotHttp,
  requestId: string,
  { hide, getMs }: WaitSettings,
  limit: Deadline,
): Promise<Answer> {
  using attempt = startDeadline(getMs, limit.signal, lateReply)
  const path = `/api/get?request_id=${encodeURIComponent(requestId)}`
  let reply: SkyPilotReply
  try {
    reply = await http.send({ path }, attempt.signal)
  } catch (error) {
    if (attempt.expired) return { answer: 'still-waiting' }
    if (error instanceof SkyPilotError && error.kind === 'unreachable')
      return { answer: 'unavailable', error }
    throw error
  }
  const { status, text } = reply
  const said = readErrorReply(text)?.message
  // A 404 of the server's own has words for it; a proxy's says nothing about the request.
  if (status === 404)
    return said === undefined ? { answer: 'unavailable', error: notSkyPilot() } : endLost(requestId)
  if (status === 503 && said?.includes('should be retried') === true) return endLost(requestId)
  const request = status === 200 ? readRequest(parseJson(text)) : readFailedRequest(text)
  if (request !== null) return { answer: 'request', request }
  if (status === 200) return { answer: 'unreadable', error: notSkyPilot() }
  const error = http.refusal(reply, hide)
  if (error.kind !== 'unreachable') throw error
  return { answer: status === 500 ? 'unreadable' : 'unavailable', error }
}

function endLost(requestId: string): never {
  throw new SkyPilotError('request_lost', `SkyPilot's API server has given up the request ${requestId}`)
}

function endError(
  request: SkyPilotRequest,
  end: Exclude<RequestEnd, { end: 'succeeded' | 'unfinished' }>,
  hide: readonly string[],
): SkyPilotError {
  const what = request.name.replace(/^sky\./, '')
  switch (end.end) {
    case 'cancelled':
      return new SkyPilotError('cancelled', `SkyPilot's ${what} was cancelled`)
    case 'lost':
      return endLost(request.requestId)
    case 'unreadable':
      return notSkyPilot()
    case 'failed': {
      const kind = end.type === null ? 'failed' : skyPilotErrorKind(end.type)
      return new SkyPilotError(
        kind,
        `SkyPilot's ${what} failed: ${shownMessage(end.message, hide)}`,
        end.type,
      )
    }
  }
}

/** The error of an answer that somebody else gave. */
export function notSkyPilot(): SkyPilotError {
  return new SkyPilotError('unreachable', "the answer is not one of SkyPilot's API server; is its URL right?")
}

/** The error of a call whose time is over. */
export function lateReply(): SkyPilotError {
  return new SkyPilotError('deadline', "SkyPilot's API server did not answer in time")
}
