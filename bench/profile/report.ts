import { isOwn, nameOf, type FunctionShare } from './call-tree.js'
import type { CpuSummary } from './cpu-profile.js'
import type { HeapSummary } from './heap-profile.js'
import type { Locate, Place } from './place.js'

/** What figures are divided by: a scenario's requests or tokens during the profile. */
export interface Units {
  /** `request`, `token`. */
  readonly name: string
  readonly count: number
}

interface Row {
  readonly label: string
  readonly self: number
  readonly attributed: number | null
  readonly inclusive: number | null
}

interface Scale {
  /** What the shares are of. */
  readonly total: number
  /** Heads the columns of figures per unit. */
  readonly perUnit: string
  readonly count: number
}

const MOST_FILES = 15
/** Of the total; smaller rows of folders and files are left out. */
const LEAST_SHARE = 0.001

/**
 * A CPU profile as lines: what is no function, the functions with the most time of their own, folders, files.
 * @param cpuMicros what the thread used meanwhile by the kernel's account
 */
export function reportCpu(
  summary: CpuSummary,
  cpuMicros: number,
  locate: Locate,
  units: Units,
  top: number,
): string[] {
  const { elapsed, idle, samples, collector, program, functions } = summary
  const seen = elapsed - idle
  const loop = Math.max(0, cpuMicros - seen)
  const scale = { total: seen + loop, perUnit: `µs/${units.name}`, count: units.count }
  const apart = [
    { label: 'garbage collector', self: collector },
    { label: 'native code that no JavaScript called (program)', self: program },
    { label: 'reading sockets and waiting for events: idle to V8, CPU to the kernel', self: loop },
  ].map((row) => ({ ...row, attributed: null, inclusive: null }))
  return [
    `${samples} samples in ${(elapsed / 1e6).toFixed(1)} s, ${percent(idle, elapsed)} of it idle to V8. ` +
      'Shares are of all CPU time.',
    '',
    heading(scale, 'apart from functions'),
    ...apart.map((row) => line(row, scale)),
    ...sections(functions, locate, scale, top),
  ]
}

/** A heap profile as lines, likewise. */
export function reportHeap(summary: HeapSummary, locate: Locate, units: Units, top: number): string[] {
  const { allocated, functions } = summary
  const scale = { total: allocated, perUnit: `B/${units.name}`, count: units.count }
  return [
    `${(allocated / 2 ** 20).toFixed(1)} MiB allocated on V8's heap, ${Math.round(allocated / units.count)} bytes ` +
      `per ${units.name}, by its samples.`,
    ...sections(functions, locate, scale, top),
  ]
}

interface Placed {
  readonly share: FunctionShare
  readonly place: Place
}

function sections(functions: readonly FunctionShare[], locate: Locate, scale: Scale, top: number): string[] {
  const placed = functions.map((share) => ({ share, place: locate(share.frame) }))
  const rows = placed.filter(({ share }) => share.self > 0).slice(0, top)
  const folders = grouped(placed, scale, ({ folder }) => folder)
  const files = grouped(placed, scale, ({ file }) => file)
  return [
    '',
    heading(scale, `function: the ${rows.length} with the most of their own`),
    ...rows.map(({ share, place }) => line(functionRow(share, place), scale)),
    '',
    heading(scale, 'folder'),
    ...folders.map((row) => line(row, scale)),
    '',
    heading(scale, `file: the ${Math.min(MOST_FILES, files.length)} with the most`),
    ...files.slice(0, MOST_FILES).map((row) => line(row, scale)),
  ]
}

function functionRow(share: FunctionShare, { file, line: at }: Place): Row {
  const { frame, self, inclusive, mainOwner } = share
  const place = at === null ? file : `${file}:${at}`
  return {
    label: `${nameOf(frame)}  ${place}${isOwn(frame) || mainOwner === null ? '' : `, for ${mainOwner}`}`,
    self,
    attributed: isOwn(frame) ? share.attributed : null,
    inclusive,
  }
}

function grouped(placed: readonly Placed[], { total }: Scale, nameOfGroup: (place: Place) => string): Row[] {
  const sums = new Map<string, { label: string; self: number; attributed: number }>()
  for (const { share, place } of placed) {
    const label = nameOfGroup(place)
    const sum = sums.get(label) ?? { label, self: 0, attributed: 0 }
    sum.self += share.self
    sum.attributed += share.attributed
    sums.set(label, sum)
  }
  return [...sums.values()]
    .filter(({ self, attributed }) => Math.max(self, attributed) >= total * LEAST_SHARE)
    .toSorted((a, b) => Math.max(b.self, b.attributed) - Math.max(a.self, a.attributed))
    .map((sum) => ({ ...sum, attributed: sum.attributed === 0 ? null : sum.attributed, inclusive: null }))
}

function heading({ perUnit }: Scale, label: string): string {
  return columns(['self', perUnit, 'attributed', perUnit, 'inclusive'], label)
}

function line({ label, self, attributed, inclusive }: Row, { total, count }: Scale): string {
  const both = (value: number | null): string[] =>
    value === null ? ['', ''] : [percent(value, total), perUnit(value / count)]
  const last = inclusive === null ? '' : percent(inclusive, total)
  return columns([...both(self), ...both(attributed), last], label)
}

function perUnit(value: number): string {
  return value.toFixed(value < 100 ? 2 : 0)
}

function columns(cells: readonly string[], label: string): string {
  return `${cells.map((cell) => cell.padStart(12)).join('')}  ${label}`
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(1)}%`
}
