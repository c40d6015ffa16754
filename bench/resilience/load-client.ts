import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** When a client leaves: after so many bytes of the reply's body, or after a time. */
export type Leave = { readonly afterBytes: number } | { readonly afterMs: number }

export interface PlannedRequest {
  readonly path: '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings'
  readonly body: Readonly<Record<string, unknown>>
  readonly leave: Leave | null
}

/** How a request looked to its client. */
export interface ClientView {
  readonly plan: PlannedRequest
  /** Null: no reply's head came. */
  readonly requestId: string | null
  readonly status: number | null
  /** Nodes that were asked, as the reply's head says. */
  readonly attempts: number | null
  /** Whether a node was asked, or would have been; a refusal leaves no usage record. Null: it cannot be told. */
  readonly admitted: boolean | null
  /** `cut`: the connection broke, without or within a reply. */
  readonly ended: 'complete' | 'left' | 'cut'
  /** For a stream that the client has whole: whether it ended in [DONE]. */
  readonly done: boolean
  /** `performance.now()` when it was sent. */
  readonly sentAtMs: number
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

/** How long a client whose connection was refused or broke waits before the next. */
const RECONNECT_MS = 50

/** A client of the tenant port. Connections are kept and used again. */
export class LoadClient implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  readonly #disposed = new AbortController()
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

  /** As {@link runLoad}; ends when the client is disposed of, too. */
  run(
    plan: Iterator<PlannedRequest>,
    concurrency: (sent: number) => number,
    stop?: AbortSignal,
  ): Promise<ClientView[]> {
    const signal = AbortSignal.any([this.#disposed.signal, ...(stop === undefined ? [] : [stop])])
    return runLoad((planned) => this.send(planned), plan, concurrency, signal)
  }

  [Symbol.dispose](): void {
    this.#disposed.abort()
    this.#agent.destroy()
  }
}

/** Sends what is planned, so many at a time, until the plan ends or `stop` is aborted. */
export async function runLoad(
  send: (planned: PlannedRequest) => Promise<ClientView>,
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
    void send(next.value).then(async (view) => {
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

function followed(plan: PlannedRequest, call: ClientRequest): Promise<ClientView> {
  return new Promise((resolve) => {
    let reply: IncomingMessage | null = null
    let text = ''
    const arrivals: Arrival[] = []
    let timer: NodeJS.Timeout | null = null
    let left = false
    const sentAtMs = performance.now()
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
        attempts: header('x-gateway-attempts') === null ? null : Number(header('x-gateway-attempts')),
        sentAtMs,
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
