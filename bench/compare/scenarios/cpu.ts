import { spread } from '../../statistics.js'
import { inTurn, proxiesOf, type Bench, type Scenario } from '../bench.js'
import type { Contender } from '../contenders/contender.js'
import { readCpu } from '../cpu-reading.js'
import type { Load } from '../load/generator.js'
import { rowOf, type Goal } from '../row.js'
import { connectTo } from '../session.js'
import { columns } from '../table.js'
import { chatRequest } from './chat.js'

/** A load whose CPU is measured for every contender. */
export interface CpuLoad {
  readonly name: string
  readonly title: string
  /** As the table has it. */
  readonly measure: string
  /** What CPU is divided by. */
  readonly unit: 'request' | 'token'
  readonly goal: Goal
  readonly connections: number
  /** The load of so many seconds. */
  readonly load: (contender: Contender, seconds: number) => Load
}

/** One run of a load through one contender. */
export interface CpuMeasurement {
  readonly microsPerUnit: number
  readonly unitsPerSecond: number
  readonly machineBusy: number
  /** CPU microseconds per unit of the contender's other processes, by group. */
  readonly besides: ReadonlyMap<string, number>
}

const WARM_UP_SECONDS = 1
const REQUESTS_CONNECTIONS = 32
const RAMP_MS = 1_000

/** How long a load that takes so many seconds may take on a machine that cannot keep up. */
export function limitMs(seconds: number): number {
  return seconds * 10_000 + 20_000
}

/** Plain chat requests for one token, one after another on 32 connections. */
export const smallRequests: CpuLoad = {
  name: 'requests',
  title: `CPU per small request: plain chat, 1 token, ${REQUESTS_CONNECTIONS} keep-alive connections, closed loop`,
  measure: 'CPU per small request, 32 connections',
  unit: 'request',
  goal: { timesNginx: 2 },
  connections: REQUESTS_CONNECTIONS,
  load: (contender, seconds) => ({
    kind: 'requests',
    request: chatRequest(contender, { tokens: 1 }),
    record: null,
    durationMs: seconds * 1000,
    pauseMs: 0,
    limitMs: limitMs(seconds),
  }),
}

export interface StreamsOptions {
  readonly name: string
  readonly count: number
  /** Pace of each stream. */
  readonly tokensPerSecond: number
  readonly timesNginx: number
}

/** Many streams at once from nodes that pace each one. */
export function streams({ name, count, tokensPerSecond, timesNginx }: StreamsOptions): CpuLoad {
  const what = `${count} streams × ${tokensPerSecond}/s`
  return {
    name,
    title: `CPU per streamed token: ${count} streams at once, ${tokensPerSecond} tokens/s each`,
    measure: `CPU per streamed token, ${what}`,
    unit: 'token',
    goal: { timesNginx },
    connections: count,
    load: (contender, seconds) => ({
      kind: 'streams',
      request: chatRequest(contender, {
        stream: true,
        tokens: Math.round(seconds * tokensPerSecond),
        tokensPerSecond,
      }),
      record: null,
      rampMs: RAMP_MS,
      limitMs: limitMs(seconds),
    }),
  }
}

/** Measures a load for every proxy in turn. */
export function cpuScenario(load: CpuLoad): Scenario {
  return {
    name: load.name,
    title: load.title,
    async run(bench) {
      const results = await inTurn(bench, proxiesOf(bench), bench.pairs, (contender, round) =>
        measureCpu(bench, load, contender, round === 0 ? contender.warmUpSeconds : WARM_UP_SECONDS),
      )
      for (const line of describeRuns(load.unit, results)) bench.note(line)
      const micros = new Map(
        [...results].map(([name, runs]) => [name, runs.map(({ microsPerUnit }) => microsPerUnit)]),
      )
      return [rowOf(load.measure, 'µs', micros, load.goal)]
    },
  }
}

/** The same load uncounted, then counted. */
async function measureCpu(
  bench: Bench,
  { unit, connections, load }: CpuLoad,
  contender: Contender,
  warmUpSeconds: number,
): Promise<CpuMeasurement> {
  await using session = await connectTo(bench.load, contender, connections)
  await session.run(load(contender, warmUpSeconds))
  const { result, proxyMicros, besides, machineBusy } = await readCpu(contender, () =>
    session.run(load(contender, bench.seconds)),
  )
  const units = unit === 'token' ? result.tokens : result.completed
  return {
    microsPerUnit: proxyMicros / units,
    unitsPerSecond: (units / result.elapsedMs) * 1000,
    machineBusy,
    besides: new Map([...besides].map(([group, micros]) => [group, micros / units])),
  }
}

/** Every run as text, and what the gateway's other processes used. */
export function describeRuns(
  unit: string,
  results: ReadonlyMap<string, readonly CpuMeasurement[]>,
): string[] {
  const names = [...results.keys()]
  const rounds = Math.max(...[...results.values()].map(({ length }) => length))
  const cell = (name: string, round: number): string => {
    const run = results.get(name)?.[round]
    if (run === undefined) return '–'
    const { microsPerUnit, unitsPerSecond, machineBusy } = run
    return `${microsPerUnit.toFixed(1)} µs ${Math.round(unitsPerSecond)}/s ${Math.round(machineBusy * 100)}%`
  }
  const rows = Array.from({ length: rounds }, (_, round) => [
    `pair ${round + 1}`,
    ...names.map((name) => cell(name, round)),
  ])
  return [
    ...columns([[`µs per ${unit}, ${unit}s/s, busy`, ...names], ...rows]),
    `besides, the gateway's other processes, µs per ${unit}: ${besidesOf(results.get('gateway') ?? [])}`,
  ]
}

/** The median of each group of other processes. */
function besidesOf(runs: readonly CpuMeasurement[]): string {
  const groups = new Set(runs.flatMap(({ besides }) => [...besides.keys()]))
  return [...groups]
    .map((group) => ({ group, micros: spread(runs.map(({ besides }) => besides.get(group) ?? 0)).median }))
    .toSorted((a, b) => b.micros - a.micros)
    .map(({ group, micros }) => `${group} ${micros.toFixed(1)}`)
    .join(', ')
}
