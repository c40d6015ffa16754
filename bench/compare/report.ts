import type { Latency } from './scenarios/latency.js'
import type { Measurement, Scenario } from './scenarios/scenario.js'
import { spread } from '../statistics.js'

/** Two runs, one right after the other. */
export interface Pair {
  readonly nginx: Measurement
  readonly gateway: Measurement
}

export interface ScenarioResult {
  readonly lines: readonly string[]
  /** False: the median ratio is above the goal. */
  readonly met: boolean
}

const ratioOf = ({ nginx, gateway }: Pair): number => gateway.cpuMicrosPerUnit / nginx.cpuMicrosPerUnit

function columns(cells: readonly string[]): string {
  const [first = '', ...rest] = cells
  return `  ${first.padEnd(8)}${rest.map((cell) => cell.padStart(13)).join('')}`
}

/** The figures of a scenario as lines of text: each pair, the spread of the ratios, the goal and the verdict. */
export function reportScenario(scenario: Scenario, pairs: readonly Pair[]): ScenarioResult {
  const { unit, goal } = scenario
  const ratio = spread(pairs.map(ratioOf))
  const met = goal === null || ratio.median <= goal
  const goalText = goal === null ? 'for information' : `goal ≤ ${goal.toFixed(2)}  ${met ? 'met' : 'MISSED'}`
  const rows = pairs.map((pair, index) =>
    columns([
      String(index + 1),
      pair.nginx.cpuMicrosPerUnit.toFixed(1),
      pair.gateway.cpuMicrosPerUnit.toFixed(1),
      `${ratioOf(pair).toFixed(2)}×`,
      `${Math.round(pair.nginx.unitsPerSecond)}/s`,
      `${Math.round(pair.gateway.unitsPerSecond)}/s`,
      `${Math.round(pair.nginx.machineBusy * 100)}%`,
      `${Math.round(pair.gateway.machineBusy * 100)}%`,
    ]),
  )
  const lines = [
    scenario.title,
    columns(['pair', 'nginx µs', 'gateway µs', 'ratio', 'nginx', 'gateway', 'busy', 'busy']),
    ...rows,
    `  ratio per ${unit}: ${ratio.min.toFixed(2)} – ${ratio.median.toFixed(2)} – ${ratio.max.toFixed(2)}×  ${goalText}`,
    `  besides, µs per ${unit}: ${besides(pairs)}`,
  ]
  return { lines, met }
}

/** The median of each group of other processes. */
function besides(pairs: readonly Pair[]): string {
  const groups = new Set(pairs.flatMap(({ gateway }) => [...gateway.besides.keys()]))
  return [...groups]
    .map((group) => ({
      group,
      micros: spread(pairs.map(({ gateway }) => gateway.besides.get(group) ?? 0)).median,
    }))
    .toSorted((a, b) => b.micros - a.micros)
    .map(({ group, micros }) => `${group} ${micros.toFixed(1)}`)
    .join(', ')
}

/** Latency beside that of asking a node directly. */
export function reportLatency(direct: Latency, nginx: Latency, gateway: Latency): string[] {
  const row = (name: string, { p50, p99 }: Latency): string =>
    columns([
      name,
      p50.toFixed(0),
      p99.toFixed(0),
      (p50 - direct.p50).toFixed(0),
      (p99 - direct.p99).toFixed(0),
    ])
  return [
    'Latency of the small request on one connection, in µs, for information',
    columns(['', 'p50', 'p99', 'added p50', 'added p99']),
    row('direct', direct),
    row('nginx', nginx),
    row('gateway', gateway),
  ]
}
