import type { MicroBench } from './harness/bench.js'
import type { MicroResult } from './harness/result.js'

const NAME_WIDTH = 24
const WIDTH = 13

function columns(name: string, cells: readonly string[], note = ''): string {
  return `  ${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padStart(WIDTH)).join('')}  ${note}`.trimEnd()
}

/** Whole nanoseconds with separators; below 100 ns with one digit more. */
function nanoseconds(ns: number): string {
  const digits = ns < 100 ? 1 : 0
  return ns.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function bytes(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** The lines above a bench's rows. */
export function benchHeading({ name, title }: MicroBench): string[] {
  return [`${name}: ${title}`, columns('', ['min ns', 'median ns', 'p99 ns', 'heap B', 'buffer B'])]
}

/** A case's figures, per operation, in one line. */
export function resultRow(result: MicroResult): string {
  const { minNs, medianNs, p99Ns, heapBytes, externalBytes, goalNs, steady } = result
  const notes: string[] = []
  if (goalNs !== null) notes.push(`goal ≤ ${nanoseconds(goalNs)}  ${medianNs <= goalNs ? 'met' : 'MISSED'}`)
  if (!steady) notes.push('never became steady')
  const cells = [...[minNs, medianNs, p99Ns].map(nanoseconds), ...[heapBytes, externalBytes].map(bytes)]
  return columns(result.case, cells, notes.join('; '))
}
