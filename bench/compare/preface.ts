import { cpus, totalmem } from 'node:os'
import type { Plan } from './plan.js'
import type { Row } from './row.js'
import type { Setting } from './setting.js'

/** What the figures were taken on. */
export function describeMachine() {
  const processors = cpus()
  return {
    node: process.version,
    processors: processors.length,
    processor: processors[0]?.model ?? 'unknown processor',
    memoryBytes: totalmem(),
  }
}

/** Who is compared, on what, and what is counted. */
export function preface({ pairs, seconds }: Plan, { bench, absent }: Setting): string {
  const { node, processors, processor } = describeMachine()
  const all = [bench.gateway, ...bench.peers]
  return [
    ...all.map(({ description }) => `  ${description}`),
    ...absent.map(({ name, reason }) => `  ${name}: not measured: ${reason}`),
    `All before the same ${bench.nodeUrls.length} simulated nodes (one process). Node ${node}, ${processors} × ${processor}.`,
    `${pairs} rounds of ${seconds} s, each contender in turn. CPU: user and system time in /proc/PID/stat of every process of a`,
    `proxy, with all threads. "besides": the gateway's other processes. "busy": share of the whole machine.\n`,
  ].join('\n')
}

/** How many goals were met. */
export function verdict(rows: readonly Row[]): string {
  const judged = rows.filter(({ met }) => met !== null)
  return `${judged.filter(({ met }) => met === true).length} of ${judged.length} goals met.`
}
