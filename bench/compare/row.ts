import { spread, type Spread } from '../statistics.js'

/** One line of the final table. */
export interface Row {
  readonly measure: string
  readonly unit: string
  /** By contender; who has none was not measured, or failed. */
  readonly figures: Readonly<Record<string, number>>
  /** What the figures are the medians of. */
  readonly rounds: Readonly<Record<string, readonly number[]>>
  /** The gateway's figure to nginx's; null where the two cannot be set against each other. */
  readonly ratio: Spread | null
  readonly goal: string | null
  /** Null: there is no goal, or it cannot be judged without nginx. */
  readonly met: boolean | null
}

/** What a measure is held against. The limits that are given must all hold. */
export interface Goal {
  /** Greatest median of the gateway's figure. */
  readonly atMost?: number
  /** Greatest median ratio to nginx. */
  readonly timesNginx?: number
}

/** Figures of each contender, one for each round. */
export type Rounds = ReadonlyMap<string, readonly number[]>

/**
 * The row of a measure that every contender had in every round: medians, and the spread of the ratios that each
 * round gives.
 */
export function rowOf(measure: string, unit: string, rounds: Rounds, goal: Goal | null): Row {
  const figures: Record<string, number> = {}
  for (const [name, values] of rounds) if (values.length > 0) figures[name] = spread(values).median
  const ratio = ratioOf(rounds)
  return {
    measure,
    unit,
    figures,
    rounds: Object.fromEntries(rounds),
    ratio,
    ...judge(goal, unit, figures['gateway'], ratio),
  }
}

/** Null when nginx has no figure in some round, or one that is not above zero, as a small difference may be. */
function ratioOf(rounds: Rounds): Spread | null {
  const nginx = rounds.get('nginx') ?? []
  const gateway = rounds.get('gateway') ?? []
  if (nginx.length === 0 || nginx.length !== gateway.length || nginx.some((value) => value <= 0)) return null
  return spread(gateway.map((value, round) => value / (nginx[round] ?? Number.NaN)))
}

function judge(
  goal: Goal | null,
  unit: string,
  figure: number | undefined,
  ratio: Spread | null,
): Pick<Row, 'goal' | 'met'> {
  if (goal === null) return { goal: null, met: null }
  const { atMost, timesNginx } = goal
  const texts: string[] = []
  const verdicts: (boolean | null)[] = []
  if (atMost !== undefined) {
    texts.push(`≤ ${atMost} ${unit}`)
    verdicts.push(figure === undefined ? null : figure <= atMost)
  }
  if (timesNginx !== undefined) {
    texts.push(`≤ ${timesNginx}× nginx`)
    verdicts.push(ratio === null ? null : ratio.median <= timesNginx)
  }
  const met = verdicts.includes(false) ? false : verdicts.includes(null) ? null : true
  return { goal: texts.join(', '), met }
}
