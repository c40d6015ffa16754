import { z } from 'zod'
import { resolvedSettingsSchema } from '../core/settings.js'

/**
 * Messages between the supervisor and its children. Settings go this way and not through the environment, which
 * others may read and which children of children would inherit.
 */
const ask = z.object({
  type: z.literal('ask'),
  id: z.number(),
  /**
   * Of a child: `metrics` (its own, as JSON), `readiness`. Of the supervisor: `exposition` (of all, as text), `processes`
   * (a report of each).
   */
  what: z.enum(['metrics', 'readiness', 'exposition', 'processes']),
})
const answer = z.object({
  type: z.literal('answer'),
  id: z.number(),
  value: z.json(),
})
const refusal = z.object({ type: z.literal('refusal'), id: z.number(), message: z.string() })

/** From the supervisor to a child. */
export const orderSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), settings: resolvedSettingsSchema }),
  /** The gateway as a whole drains, others first: serve on, and say on `/ready` that it ends. */
  z.object({ type: z.literal('gateway-drains') }),
  z.object({ type: z.literal('drain') }),
  /** End the drain now: cut what still runs and settle it. */
  z.object({ type: z.literal('hurry') }),
  ask,
  answer,
  refusal,
])
export type Order = z.infer<typeof orderSchema>

/** From a child to the supervisor. */
export const reportSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('failed'), message: z.string() }),
  ask,
  answer,
  refusal,
])
export type Report = z.infer<typeof reportSchema>

export type Question = z.infer<typeof ask>['what']
export type Json = z.infer<typeof answer>['value']

/** What `GET /ready` says: 200 for `ready` and `degraded`, else 503. `parts` says what is wrong with what. */
export const readinessSchema = z.object({
  status: z.enum(['ready', 'degraded', 'unready', 'draining']),
  parts: z.record(z.string(), z.string()),
})
export type Readiness = z.infer<typeof readinessSchema>

export const isServing = (readiness: Readiness): boolean =>
  readiness.status === 'ready' || readiness.status === 'degraded'

type Exchange = z.infer<typeof ask> | z.infer<typeof answer> | z.infer<typeof refusal>

export interface Exchanges {
  /** Asks the other side. Rejects when it refuses, does not answer in time, or is gone. */
  ask(what: Question, timeoutMs?: number): Promise<Json>
  /** To be given every message of these three types. */
  receive(message: Exchange): void
  /** Rejects all that are open: the other side is gone. */
  abandon(): void
}

/** Questions and answers over a channel; `reply` makes the answers to the other side's questions. */
export function createExchanges(
  send: (message: Exchange) => void,
  reply: (what: Question) => Promise<Json> | Json,
): Exchanges {
  interface Open {
    readonly resolve: (value: Json) => void
    readonly reject: (error: Error) => void
    readonly timer: NodeJS.Timeout
  }
  const open = new Map<number, Open>()
  let lastId = 0

  function take(id: number): Open | undefined {
    const exchange = open.get(id)
    open.delete(id)
    clearTimeout(exchange?.timer)
    return exchange
  }

  async function respond(id: number, what: Question): Promise<void> {
    try {
      send({ type: 'answer', id, value: await reply(what) })
    } catch (error) {
      send({ type: 'refusal', id, message: error instanceof Error ? error.message : String(error) })
    }
  }

  return {
    ask(what, timeoutMs = 3_000) {
      const id = ++lastId
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          take(id)?.reject(new Error(`no answer to ${what} within ${timeoutMs} ms`))
        }, timeoutMs)
        open.set(id, { resolve, reject, timer })
        send({ type: 'ask', id, what })
      })
    },
    receive(message) {
      switch (message.type) {
        case 'ask':
          void respond(message.id, message.what)
          break
        case 'answer':
          take(message.id)?.resolve(message.value)
          break
        case 'refusal':
          take(message.id)?.reject(new Error(message.message))
          break
      }
    },
    abandon() {
      for (const id of [...open.keys()]) take(id)?.reject(new Error('the other process is gone'))
    },
  }
}
