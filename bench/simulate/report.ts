import type { Strategy } from '../../src/core/snapshot.js'
import type { ConversationsResult, LatencyResult } from './simulation.js'

/** What least-latency's p99 has to be better than round-robin's by. */
export const LEAST_SPEED_UP = 2
/** Share of the best possible hits that prefix-affinity has to reach ... */
export const LEAST_OF_BEST = 0.9
/** ... with the busiest node at most so much busier than the mean. */
export const MOST_IMBALANCE = 1.3

const NAME_WIDTH = 20
const WIDTH = 12

function row(name: string, cells: readonly string[]): string {
  return `  ${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(WIDTH)).join('')}`
}

const milliseconds = (value: number): string => `${Math.round(value).toLocaleString('en-US')} ms`
const percent = (share: number): string => `${(100 * share).toFixed(1)}%`

function verdict(what: string, met: boolean): string {
  return `  goal: ${what}: ${met ? 'met' : 'MISSED'}`
}

export function burstLines(results: ReadonlyMap<Strategy, LatencyResult>): string[] {
  const [roundRobin, leastLatency] = [results.get('round-robin'), results.get('least-latency')]
  const speedUp = (roundRobin?.p99Ms ?? NaN) / (leastLatency?.p99Ms ?? NaN)
  return [
    'unequal nodes, some degraded for a while, requests in bursts',
    row('', ['requests', 'TTFT p50', 'TTFT p99']),
    ...[...results].map(([strategy, { requests, p50Ms, p99Ms }]) =>
      row(strategy, [requests.toLocaleString('en-US'), milliseconds(p50Ms), milliseconds(p99Ms)]),
    ),
    verdict(
      `least-latency's p99 at most 1/${LEAST_SPEED_UP} of round-robin's, here 1/${speedUp.toFixed(1)}`,
      speedUp >= LEAST_SPEED_UP,
    ),
  ]
}

export function conversationLines({ bestHitRate, byStrategy }: ConversationsResult): string[] {
  const affinity = byStrategy.get('prefix-affinity')
  const ofBest = (affinity?.hitRate ?? NaN) / bestHitRate
  const imbalance = Math.max(affinity?.busyImbalance ?? NaN, affinity?.requestImbalance ?? NaN)
  return [
    `conversations with shared system prompts, nodes alike; ${percent(bestHitRate)} of the prompts could be found in one cache`,
    row('', ['requests', 'TTFT p50', 'TTFT p99', 'hits', 'of best', 'busiest', 'requests']),
    ...[...byStrategy].map(([strategy, result]) =>
      row(strategy, [
        result.requests.toLocaleString('en-US'),
        milliseconds(result.p50Ms),
        milliseconds(result.p99Ms),
        percent(result.hitRate),
        percent(result.hitRate / bestHitRate),
        `× ${result.busyImbalance.toFixed(2)}`,
        `× ${result.requestImbalance.toFixed(2)}`,
      ]),
    ),
    '  busiest, requests: the most of a node over the mean, by time of slots in use and by requests',
    verdict(
      `prefix-affinity at least ${percent(LEAST_OF_BEST)} of the best, here ${percent(ofBest)}`,
      ofBest >= LEAST_OF_BEST,
    ),
    verdict(`at × ${MOST_IMBALANCE} at most, here × ${imbalance.toFixed(2)}`, imbalance <= MOST_IMBALANCE),
  ]
}
