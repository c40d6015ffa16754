import { setTimeout as sleep } from 'node:timers/promises'
import { descendants, readMainThreadMicros } from '../../proc-stat.js'
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
}

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
    await turn(bench, null)
    for (let round = 0; round < ROUNDS; round += 1) {
      alone.push(await turn(bench, null))
      const asked: number[] = []
      beside.push(await turn(bench, asked))
      bench.note(
        `round ${round + 1}: main thread ${figure(alone, 'micros')} µs a token alone, ${figure(beside, 'micros')} µs beside ` +
          `${asked.length} admin calls; lag p99 ${figure(alone, 'lagMs')} and ${figure(beside, 'lagMs')} ms`,
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

/** Streams for a while. @param asked takes the duration of each admin call, ms; null: there are none */
async function turn(bench: Bench, asked: number[] | null): Promise<Turn> {
  const { gateway } = bench.gateway
  const proxy = descendants(gateway.process.pid).find(({ title }) => title.startsWith('crosslogic-proxy'))
  if (proxy === undefined) throw new Error('the gateway has no proxy process')
  await using session = await connectTo(bench.load, bench.gateway, STREAMS)
  const seconds = SECONDS + RAMP_MS / 1000
  const calls = asked === null ? null : callAdmin(bench, seconds, asked)
  const before = readMainThreadMicros(proxy.pid)
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
  const micros = (readMainThreadMicros(proxy.pid) - before) / tokens
  await calls
  return { micros, lagMs }
}

/** The lag between two readings: from when all streams run until the first ones end. */
async function lagWhileAllStream({ gateway }: Bench): Promise<number> {
  await sleep(RAMP_MS)
  await readEventLoopLag(gateway.gateway, '0.99')
  await sleep((SECONDS - 1) * 1000)
  return (await readEventLoopLag(gateway.gateway, '0.99')) ?? Number.NaN
}

const LISTS = ['models', 'nodes', 'routes', 'tenants', 'models?sort=name&search=sim', 'nodes?status=active']

/** Calls at even distances, whatever becomes of earlier ones. @throws when one fails */
async function callAdmin({ gateway: { gateway } }: Bench, seconds: number, asked: number[]): Promise<void> {
  const tenants = await fetch(`${gateway.adminUrl}/admin/tenants`, {
    headers: { 'x-admin-token': gateway.adminToken },
  })
  const { data } = (await tenants.json()) as { data: { id: string }[] }
  const usage = `usage/${data[0]?.id ?? ''}`
  const call = async (path: string): Promise<void> => {
    const from = performance.now()
    const reply = await fetch(`${gateway.adminUrl}/admin/${path}`, {
      headers: { 'x-admin-token': gateway.adminToken },
    })
    await reply.arrayBuffer()
    if (reply.status !== 200) throw new Error(`GET /admin/${path}: ${reply.status}`)
    asked.push(performance.now() - from)
  }
  const startedAt = performance.now()
  const running: Promise<void>[] = []
  for (let list = 0; list < seconds * LISTS_PER_SECOND; list += 1) {
    const due = startedAt + (list * 1000) / LISTS_PER_SECOND
    await sleep(Math.max(0, due - performance.now()))
    running.push(call(LISTS[list % LISTS.length] ?? 'models'))
    if (list % (LISTS_PER_SECOND / USAGE_PER_SECOND) === 0) running.push(call(usage))
  }
  await Promise.all(running)
}
