import { setTimeout as sleep } from 'node:timers/promises'
import type { Response } from 'undici'
import { SkyPilotError, shownText } from '../core/skypilot-error.js'
import { readErrorReply } from '../core/skypilot-payload.js'
import { type Deadline, startDeadline } from './deadline.js'
import type { SkyPilotCall, SkyPilotHttp } from './skypilot-http.js'
import { lateReply, notSkyPilot } from './skypilot-wait.js'

export interface LogOptions {
  /** Values that must not appear in a line: the secrets of the task. */
  readonly hide: readonly string[]
  /** Whether to wait for what is still to come; true by default. */
  readonly follow?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly deadlineMs?: number | undefined
}

const LOG_MS = 60 * 60_000
const JOB_LOG_MS = 30_000
/** What is longer is cut into several: progress bars are one endless line. */
const MOST_LINE_LENGTH = 16_384
/** Connections in a row that brought no new line before the log counts as out of reach. */
const MOST_VAIN = 3
const PAUSE_MS = 500

/**
 * The lines of a request's log. When the connection is cut they are read again from the beginning, as the server has no
 * other way, and go on behind the last one that was given out.
 */
export async function* logLines(
  http: SkyPilotHttp,
  requestId: string,
  options: LogOptions,
): AsyncGenerator<string, void, undefined> {
  using limit = startDeadline(options.deadlineMs ?? LOG_MS, options.signal, lateReply)
  const query = new URLSearchParams({
    request_id: requestId,
    follow: String(options.follow ?? true),
    format: 'plain',
  })
  let given = 0
  let vain = 0
  for (;;) {
    let read = 0
    const before = given
    try {
      const response = await opened(http, { path: `/api/stream?${query.toString()}` }, options.hide, limit)
      for await (const line of linesOf(response.body ?? [])) {
        if (++read <= given) continue
        given = read
        yield shownText(line, options.hide)
      }
      return
    } catch (error) {
      limit.signal.throwIfAborted()
      // Errors of the connection; the consumer's own do not come here.
      const isPassing = !(error instanceof SkyPilotError) || error.kind === 'unreachable'
      vain = given > before ? 0 : vain + 1
      if (!isPassing || vain >= MOST_VAIN)
        throw error instanceof SkyPilotError ? error : new SkyPilotError('unreachable', 'the log was cut off')
    }
    await sleep(PAUSE_MS, undefined, { signal: limit.signal }).catch(() => {})
    limit.signal.throwIfAborted()
  }
}

/**
 * The last lines that a cluster's job printed, read once.
 * @throws SkyPilotError, also when the log was cut off
 */
export async function jobLog(
  http: SkyPilotHttp,
  clusterName: string,
  count: number,
  { hide, signal, deadlineMs }: LogOptions,
): Promise<string[]> {
  using limit = startDeadline(deadlineMs ?? JOB_LOG_MS, signal, lateReply)
  const body = { cluster_name: clusterName, job_id: null, follow: false, tail: count }
  const lines: string[] = []
  try {
    const response = await opened(http, { path: '/logs', body }, hide, limit)
    for await (const line of linesOf(response.body ?? [])) {
      lines.push(shownText(line, hide))
      if (lines.length > count) lines.shift()
    }
  } catch (error) {
    limit.signal.throwIfAborted()
    throw error instanceof SkyPilotError ? error : new SkyPilotError('unreachable', 'the log was cut off')
  }
  return lines
}

async function opened(
  http: SkyPilotHttp,
  call: SkyPilotCall,
  hide: readonly string[],
  limit: Deadline,
): Promise<Response> {
  const response = await http.open(call, limit.signal)
  if (response.status === 200) return response
  const reply = { status: response.status, text: await response.text(), requestId: null }
  if (reply.status !== 404) throw http.refusal(reply, hide)
  if (readErrorReply(reply.text) === null) throw notSkyPilot()
  throw new SkyPilotError('request_lost', "SkyPilot's API server does not know the request any more")
}

/** The lines of UTF-8 bytes, however they are cut; a carriage return ends one too, as progress bars have it. */
export async function* linesOf(
  body: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body is bytes')
    rest += decoder.decode(chunk, { stream: true })
    const lines = rest.split(/\r?\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    yield* lines.flatMap(pieces)
    // One more may be a carriage return whose line feed is still to come.
    while (rest.length > MOST_LINE_LENGTH + 1) {
      yield rest.slice(0, MOST_LINE_LENGTH)
      rest = rest.slice(MOST_LINE_LENGTH)
    }
  }
  rest += decoder.decode()
  if (rest !== '') yield* pieces(rest.replace(/\r$/, ''))
}

function pieces(line: string): string[] {
  if (line.length <= MOST_LINE_LENGTH) return [line]
  const found: string[] = []
  for (let at = 0; at < line.length; at += MOST_LINE_LENGTH) found.push(line.slice(at, at + MOST_LINE_LENGTH))
  return found
}
