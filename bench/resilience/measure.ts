import { columns, shown } from '../compare/table.js'

/** A figure and what it may be at most. */
export interface Measure {
  readonly what: string
  readonly unit: string
  readonly figure: number
  /** Null: told for the reader alone. */
  readonly atMost: number | null
}

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string
  readonly title: string
  /**
   * Runs it, within some two minutes unless the help says more. `note` says something on the way.
   * @throws when it could not be run
   */
  readonly run: (note: (line: string) => void) => Promise<readonly Measure[]>
}

export function isMissed({ figure, atMost }: Measure): boolean {
  return atMost !== null && !(figure <= atMost)
}

/** The measures with their goals, as a table. */
export function measureTable(measures: readonly Measure[]): string[] {
  const rows = measures.map((measure) => [
    measure.what,
    shown(measure.figure),
    measure.unit,
    measure.atMost === null ? '–' : `≤ ${measure.atMost}`,
    measure.atMost === null ? '' : isMissed(measure) ? 'MISSED' : 'met',
  ])
  return columns([['measure', 'figure', 'unit', 'goal', ''], ...rows])
}
