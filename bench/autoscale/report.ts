import { perfectHours } from './oracle.js'
import type { HourOfRun, Run } from './run.js'

/** Share of the first tokens that may be late while no launch is under way. */
export const MOST_MISSES = 0.01
/** Node-hours over those of the oracle. */
export const MOST_OF_PERFECT = 1.35

const WIDTH = 11
const NAME_WIDTH = 22

const row = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(WIDTH)).join('')
const count = (value: number): string => value.toLocaleString('en-US')
const tenths = (value: number): string => value.toFixed(1)
const percent = (share: number): string => `${(100 * share).toFixed(2)}%`
const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** The hours of a day as a table: the oracle's nodes on average, those that were wanted and those that were paid for. */
export function hourLines({ hours }: Run, perfect: readonly number[]): string[] {
  const head = ['hour', 'requests', 'oracle', 'wanted', 'nodes', 'SLO misses', 'no launch', 'changes']
  const lines = hours.map((hour, index) => {
    const minutes = perfect.slice(index * 60, index * 60 + 60)
    return row([
      `${String(index).padStart(2, '0')}:00`,
      count(hour.requests),
      tenths(perfectHours(minutes)),
      tenths(hour.wantedS / 3_600),
      tenths(hour.paidS / 3_600),
      count(hour.misses),
      count(hour.missesOutside),
      count(hour.changes),
    ])
  })
  return [
    row(head),
    ...lines,
    '  oracle, wanted, nodes: averages of the hour; no launch: misses while none was under way',
  ]
}

export interface RunTotals {
  readonly requests: number
  readonly misses: number
  readonly missesOutside: number
  readonly nodeHours: number
  readonly changes: number
}

export function totals({ hours, unserved }: Run): RunTotals {
  const sum = (of: (hour: HourOfRun) => number) => hours.reduce((total, hour) => total + of(hour), 0)
  return {
    requests: sum(({ requests }) => requests),
    misses: sum(({ misses }) => misses) + unserved,
    missesOutside: sum(({ missesOutside }) => missesOutside),
    nodeHours: sum(({ paidS }) => paidS) / 3_600,
    changes: sum(({ changes }) => changes),
  }
}

/** Runs over the same day beside each other and beside the oracle. */
export function comparisonLines(runs: ReadonlyMap<string, Run>, perfect: readonly number[]): string[] {
  const perfectTotal = perfectHours(perfect)
  const name = (text: string) => `  ${text.padEnd(NAME_WIDTH)}`
  return [
    name('') + row(['node-hours', '× oracle', 'SLO misses', 'no launch', 'changes']),
    name('oracle') + row([tenths(perfectTotal), '1.00']),
    ...[...runs].map(([title, run]) => {
      const { requests, misses, missesOutside, nodeHours, changes } = totals(run)
      const cells = [
        percent(share(misses, requests)),
        percent(share(missesOutside, requests)),
        count(changes),
      ]
      return name(title) + row([tenths(nodeHours), share(nodeHours, perfectTotal).toFixed(2), ...cells])
    }),
  ]
}

/** What happened to the machines. */
export function fleetLines({ fleet, frozenChanges }: Run): string[] {
  const { launches, inTime, preemptions, refusals, exchanges } = fleet
  const within = `${count(inTime)} of ${count(launches)}`
  return [
    `  ${count(preemptions)} spot machines taken away, ${count(refusals)} launches refused for want of one, ${count(exchanges)} nodes on demand replaced by spot again`,
    `  launches that ended within what retry-after would have said: ${within}; changes while gauges were frozen: ${frozenChanges}`,
  ]
}

/** The goals, each with what was measured. */
export function goalLines(run: Run, perfect: readonly number[]): string[] {
  const { requests, missesOutside, nodeHours } = totals(run)
  const outside = share(missesOutside, requests)
  const ofPerfect = share(nodeHours, perfectHours(perfect))
  const verdict = (what: string, met: boolean) => `  goal: ${what}: ${met ? 'met' : 'MISSED'}`
  return [
    verdict(`no node given up within 10 min of a change up, here ${run.flaps}`, run.flaps === 0),
    verdict(
      `SLO misses at most ${percent(MOST_MISSES)} outside of launches, here ${percent(outside)}`,
      outside <= MOST_MISSES,
    ),
    verdict(
      `node-hours at most ${MOST_OF_PERFECT} times the oracle's, here ${ofPerfect.toFixed(2)}`,
      ofPerfect <= MOST_OF_PERFECT,
    ),
    verdict(`no change while gauges are frozen, here ${run.frozenChanges}`, run.frozenChanges === 0),
  ]
}
