import { setTimeout as sleep } from 'node:timers/promises'
import type { AdminApi } from '../../../src/core/client/client.js'
import { readMainThreadMicros } from '../../proc-stat.js'
import { proxyOf } from '../../proxy-of.js'
import type { Bench, Scenario } from '../bench.js'
import { readEventLoopLag } from '../event-loop-lag.js'
import { rowOf } from '../row.js'
import { connectTo } from '../session.js'
import { chatRequest } from './chat.js'
import { limitMs } from './cpu.js'

const STREAMS = 500
const TOKENS_PER_SECOND = 25
const RAMP_MS = 1_000
const SECONDS = 4
const LISTS_PER_SECOND = 100
const USAGE_PER_SECOND = 5
const ROUNDS = 4

interface Turn {
  /** Of the proxy's main thread, per token. */
  readonly micros: number
  /** p99 of the proxy's event loop lag while all streams ran, ms. */
  readonly lagMs: number
  /** Of the admin port meanwhile. */
  readonly calls: number
}

const NOTHING = () => Promise.resolve(0)

/** Whether work on the admin port costs the streams anything. */
export const adminLoad: Scenario = {
  name: 'admin-load',
  onDemand: true,
  title:
    `${LISTS_PER_SECOND} lists/s and ${USAGE_PER_SECOND} usage queries/s on the admin port beside ${STREAMS} streams of ` +
    `${TOKENS_PER_SECOND} tokens/s`,
  async run(bench) {
    const alone: Turn[] = []
    const beside: Turn[] = []
    await turn(bench, NOTHING)
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await turn(bench, NOTHING))
      beside.push(await turn(bench, (seconds) => callAdmin(bench, seconds)))
      bench.note(
        `round ${round + 1}: main thread ${figure(alone, 'micros')} µs a token alone, ${figure(beside, 'micros')} µs beside ` +
          `${beside.at(-1)?.calls ?? 0} admin calls; lag p99 ${figure(alone, 'lagMs')} and ${figure(beside, 'lagMs')} ms`,
      )
    }
    const more = beside.map(({ micros }, round) => (micros / (alone[round]?.micros ?? Number.NaN) - 1) * 100)
    const lags = beside.map(({ lagMs }) => lagMs)
    return [
      rowOf('Main-thread CPU per token beside admin calls', '% more', new Map([['gateway', more]]), {
        atMost: 5,
      }),
      rowOf('Event loop lag p99 beside admin calls', 'ms', new Map([['gateway', lags]]), { atMost: 2 }),
    ]
  },
}

function figure(turns: readonly Turn[], name: keyof Turn): string {
  return (turns.at(-1)?.[name] ?? Number.NaN).toFixed(1)
}

/** Streams for a while. @param work is done beside them */
async function turn(bench: Bench, work: (seconds: number) => Promise<number>): Promise<Turn> {
  const proxyPid = proxyOf(bench.gateway.gateway.process)
  await using session = await connectTo(bench.load, bench.gateway, STREAMS)
  const seconds = SECONDS + RAMP_MS / 1000
  const working = work(seconds)
  // Awaited below; a failure must not go unheard until then.
  working.catch(() => undefined)
  const before = readMainThreadMicros(proxyPid)
  const [{ tokens }, lagMs] = await Promise.all([
    session.run({
      kind: 'streams',
      request: chatRequest(bench.gateway, {
        stream: true,
        tokens: Math.round(SECONDS * TOKENS_PER_SECOND),
        tokensPerSecond: TOKENS_PER_SECOND,
      }),
      record: null,
      rampMs: RAMP_MS,
      limitMs: limitMs(seconds),
    }),
    lagWhileAllStream(bench),
  ])
  const micros = (readMainThreadMicros(proxyPid) - before) / tokens
  return { micros, lagMs, calls: await working }
}

/** The lag between two readings: from when all streams run until the first ones end. */
async function lagWhileAllStream({ gateway }: Bench): Promise<number> {
  await sleep(RAMP_MS)
  await readEventLoopLag(gateway.gateway, '0.99')
  await sleep((SECONDS - 1) * 1000)
  return (await readEventLoopLag(gateway.gateway, '0.99')) ?? Number.NaN
}

const LISTS: readonly ((client: AdminApi) => Promise<unknown>)[] = [
  (client) => client.models.list(),
  (client) => client.nodes.list(),
  (client) => client.routes.list(),
  (client) => client.tenants.list(),
  (client) => client.models.list({ query: { sort: 'name', search: 'sim' } }),
  (client) => client.nodes.list({ query: { status: 'active' } }),
]

/** Calls at even distances, whatever becomes of earlier ones. @returns how many @throws when one fails */
async function callAdmin({ gateway: { gateway } }: Bench, seconds: number): Promise<number> {
  const { client } = gateway
  const { body } = await client.tenants.list()
  const [tenant] = body.data
  if (tenant === undefined) throw new Error('the gateway has no tenant')
  const startedAt = performance.now()
  const running: Promise<unknown>[] = []
  for (let list = 0; list < seconds * LISTS_PER_SECOND; list += 1) {
    const due = startedAt + (list * 1000) / LISTS_PER_SECOND
    await sleep(Math.max(0, due - performance.now()))
    const call = LISTS[list % LISTS.length]
    if (call !== undefined) running.push(call(client))
    if (list % (LISTS_PER_SECOND / USAGE_PER_SECOND) === 0) {
      running.push(client.tenantUsage.byTenant({ params: { tenant_id: tenant.id } }))
    }
  }
  await Promise.all(running)
  return running.length
}
