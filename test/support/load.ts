import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { REQUEST_FAULTS } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'

/** When a client leaves: after so many bytes of the reply's body, or after a time. */
export type Leave = { readonly afterBytes: number } | { readonly afterMs: number }

export interface PlannedRequest {
  readonly path: '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings'
  readonly body: Readonly<Record<string, unknown>>
  readonly leave: Leave | null
}

export interface RequestMix {
  /** Shares of all requests that show a fault, and whose client leaves. */
  readonly faults: number
  readonly leaves: number
  /** Milliseconds between tokens, drawn for each request. */
  readonly paces: readonly number[]
  readonly mostTokens: number
}

/** How a request looked to its client. */
export interface ClientView {
  readonly plan: PlannedRequest
  /** Null: no reply's head came. */
  readonly requestId: string | null
  readonly status: number | null
  /** Whether a node was asked, or would have been; a refusal leaves no usage record. Null: it cannot be told. */
  readonly admitted: boolean | null
  /** `cut`: the connection broke, without or within a reply. */
  readonly ended: 'complete' | 'left' | 'cut'
  /** For a stream that the client has whole: whether it ended in [DONE]. */
  readonly done: boolean
  /** The reply's body, byte for byte. */
  readonly text: string
  readonly arrivals: readonly Arrival[]
}

/** So much of a reply's body was there at that time. */
interface Arrival {
  /** `performance.now()` */
  readonly atMs: number
  readonly bytes: number
}

/** About 4,000 bytes: the chat template's marks, which the gateway cannot see, are less than one percent of it. */
function prompt(random: () => number): string {
  const words = 500 + Math.floor(random() * 500)
  return Array.from({ length: words }, () => Math.floor(random() * 1e6).toString(36)).join(' ')
}

/**
 * A fault, drawn evenly. A plain reply that stalls for ever would wait as long as the official clients do: it is
 * given a time. Extra bytes come at once: a response that comes unasked after the connection was used again cannot
 * be told from the answer.
 */
function faultOf(random: () => number, stream: boolean): Record<string, unknown> {
  const kind = REQUEST_FAULTS[Math.floor(random() * REQUEST_FAULTS.length)] ?? 'no_usage'
  const bounded = kind === 'slow_headers' || (kind === 'stall' && !(stream && random() < 0.5))
  return bounded ? { kind, ms: 50 } : { kind }
}

const STREAM_OPTIONS = [
  undefined,
  undefined,
  { include_usage: true },
  { include_usage: true, continuous_usage_stats: true },
]

/** Requests of every kind, reproducible by their seed. */
export function* planRequests(model: string, seed: number, mix: RequestMix): Generator<PlannedRequest> {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)]
  for (;;) {
    const kind = random()
    const common: Record<string, unknown> = { model, sim_itl_ms: pick(mix.paces), sim_ttft_ms: random() * 10 }
    if (kind < 0.12) {
      const input = Array.from({ length: 1 + Math.floor(random() * 3) }, () => prompt(random))
      if (random() < mix.faults) common['sim_fault'] = faultOf(random, false)
      const leave = random() < mix.leaves ? { afterMs: random() * 20 } : null
      yield { path: '/v1/embeddings', body: { ...common, input }, leave }
      continue
    }
    const stream = random() < 0.7
    const tokens = 1 + Math.floor(random() * mix.mostTokens)
    Object.assign(common, {
      stream,
      max_tokens: tokens,
      n: random() < 0.8 ? 1 : 2 + Math.floor(random() * 2),
    })
    if (stream) common['stream_options'] = pick(STREAM_OPTIONS)
    if (random() < mix.faults) common['sim_fault'] = faultOf(random, stream)
    let leave: Leave | null = null
    if (random() < mix.leaves) {
      // A frame has some 250 bytes; one in ten leaves before the first.
      const bytes = random() < 0.1 ? 0 : Math.floor(random() * tokens * 250)
      leave = stream ? { afterBytes: bytes } : { afterMs: random() * 40 }
    }
    if (kind < 0.7) {
      const messages = [{ role: 'user', content: prompt(random) }]
      yield { path: '/v1/chat/completions', body: { ...common, messages }, leave }
    } else yield { path: '/v1/completions', body: { ...common, prompt: prompt(random) }, leave }
  }
}

/** How long a client whose connection was refused or broke waits before the next. */
const RECONNECT_MS = 50

/** A client of the tenant port. Connections are kept and used again. */
export class LoadClient implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly #port: number
  readonly #key: string

  constructor(port: number, key: string) {
    this.#port = port
    this.#key = key
  }

  /** Sends one request and resolves when it has ended, whichever way. */
  send(plan: PlannedRequest): Promise<ClientView> {
    const body = Buffer.from(JSON.stringify(plan.body))
    const call = request({
      agent: this.#agent,
      host: '127.0.0.1',
      port: this.#port,
      method: 'POST',
      path: plan.path,
      headers: {
        authorization: `Bearer ${this.#key}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    })
    call.end(body)
    return followed(plan, call)
  }

  /** Sends what is planned, so many at a time, until the plan ends or `stop` is aborted. */
  async run(
    plan: Iterator<PlannedRequest>,
    /** By how many were sent so far. */
    concurrency: (sent: number) => number,
    stop?: AbortSignal,
  ): Promise<ClientView[]> {
    const views: ClientView[] = []
    let sent = 0
    let open = 0
    let wake = () => {}
    for (;;) {
      if (open >= concurrency(sent)) {
        await new Promise<void>((resolve) => (wake = resolve))
        continue
      }
      const next = stop?.aborted === true ? { done: true as const } : plan.next()
      if (next.done === true) break
      open++
      sent++
      void this.send(next.value).then(async (view) => {
        views.push(view)
        if (view.ended === 'cut' && view.requestId === null) await sleep(RECONNECT_MS)
        open--
        wake()
      })
      // Lets the sockets have their turn.
      await sleep(0)
    }
    while (open > 0) await new Promise<void>((resolve) => (wake = resolve))
    return views
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

function followed(plan: PlannedRequest, call: ClientRequest): Promise<ClientView> {
  return new Promise((resolve) => {
    let reply: IncomingMessage | null = null
    let text = ''
    const arrivals: Arrival[] = []
    let timer: NodeJS.Timeout | null = null
    let left = false
    const settle = (ended: ClientView['ended']) => {
      if (timer !== null) clearTimeout(timer)
      const header = (name: string) => {
        const value = reply?.headers[name]
        return typeof value === 'string' ? value : null
      }
      resolve({
        plan,
        requestId: header('x-request-id'),
        status: reply?.statusCode ?? null,
        admitted: reply === null ? null : header('x-gateway-attempts') !== null,
        ended: left ? 'left' : ended,
        done: text.endsWith('data: [DONE]\n\n'),
        text,
        arrivals,
      })
    }
    const leave = () => {
      left = true
      call.destroy()
    }
    const leavesAt = plan.leave !== null && 'afterBytes' in plan.leave ? plan.leave.afterBytes : Infinity
    const leaveAfter = (ms: number) => {
      // Counted from when the kernel has the whole request, so that it was admitted for certain.
      call.once('finish', () => (timer = setTimeout(leave, ms)))
    }
    if (plan.leave !== null && 'afterMs' in plan.leave) leaveAfter(plan.leave.afterMs)
    else if (leavesAt === 0) leaveAfter(0)
    call.once('response', (response) => {
      reply = response
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
        arrivals.push({ atMs: performance.now(), bytes: text.length })
        if (text.length >= leavesAt) leave()
      })
      response.once('error', () => settle('cut'))
      response.once('close', () => settle(response.complete ? 'complete' : 'cut'))
    })
    call.once('error', () => settle('cut'))
    call.once('close', () => {
      if (reply === null) settle('cut')
    })
  })
}

/** When a client had more generated tokens of a stream than that; null: never. A frame holds one token. */
export function receivedMoreAt({ text, arrivals }: ClientView, tokens: number): number | null {
  let seen = 0
  for (let start = 0; ;) {
    const end = text.indexOf('\n\n', start)
    if (end < 0) return null
    const frame = text.slice(start, end)
    if (/^data: \{.*"choices":\[\{/.test(frame) && !frame.includes('"role":"assistant"')) seen++
    start = end + 2
    if (seen > tokens) return arrivals.find(({ bytes }) => bytes >= start)?.atMs ?? null
  }
}
