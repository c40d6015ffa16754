/**
 * What a run at one load showed: the SLO was met or missed, or it decides nothing: the load generator was the limit,
 * or the run was interrupted.
 */
export type Verdict = 'met' | 'missed' | 'generator-limit' | 'interrupted'

export interface Range {
  readonly from: number
  readonly to: number
  /** Only whole numbers are loads. */
  readonly whole: boolean
  /** How far apart a load that met the SLO and one that missed it may be in the end, as a share of the load. */
  readonly resolution: number
  /** Runs at each load, an odd number: what most of them show counts. */
  readonly repeats: number
}

/**
 * How a search ended. `found`: the next higher load that was tried missed the SLO. `at-end`: the end of the range
 * still meets it. `below-start`: its start misses it already. The others: it had to stop, and what it knows is a
 * lower bound.
 */
export type Ending = 'found' | 'at-end' | 'below-start' | 'generator-limit' | 'interrupted'

export interface Answer {
  /** The highest load that met the SLO; null: none did. */
  readonly highest: number | null
  /** The lowest load above it at which the search turned or stopped; null when there was none. */
  readonly next: number | null
  readonly ending: Ending
}

/**
 * Finds the highest load that meets an SLO: doubles the load from the start of the range until one misses it, then
 * halves the gap down to the resolution. Takes for granted that a server which misses it at one load misses it at all
 * higher ones; where noise breaks that, the answer still has met it, and `next` missed it.
 */
export async function searchHighest(
  probe: (load: number) => Promise<Verdict>,
  range: Range,
): Promise<Answer> {
  const decide = (load: number): Promise<Verdict> => majority(() => probe(load), range.repeats)
  let low = range.from
  const first = await decide(low)
  if (first !== 'met') return { highest: null, next: low, ending: first === 'missed' ? 'below-start' : first }

  let high: number | null = null
  while (high === null) {
    if (low >= range.to) return { highest: low, next: null, ending: 'at-end' }
    const load = Math.min(range.to, low * 2)
    const verdict = await decide(load)
    if (verdict === 'met') low = load
    else if (verdict === 'missed') high = load
    else return { highest: low, next: load, ending: verdict }
  }

  for (let load = between(low, high, range); load !== null; load = between(low, high, range)) {
    const verdict = await decide(load)
    if (verdict === 'met') low = load
    else if (verdict === 'missed') high = load
    else return { highest: low, next: load, ending: verdict }
  }
  return { highest: low, next: high, ending: 'found' }
}

/** The load in the middle; null when the two are near enough, or nothing lies between them. */
function between(low: number, high: number, { whole, resolution }: Range): number | null {
  if (high - low <= low * resolution) return null
  const middle = (low + high) / 2
  // Four digits are finer than any resolution, and short enough for a table.
  const load = whole ? Math.floor(middle) : Number(middle.toPrecision(4))
  return load > low && load < high ? load : null
}

/** Repeats a run until most of `repeats` agree; a run that decides nothing ends it at once. */
async function majority(probe: () => Promise<Verdict>, repeats: number): Promise<Verdict> {
  const counts = { met: 0, missed: 0 }
  for (;;) {
    const verdict = await probe()
    if (verdict === 'generator-limit' || verdict === 'interrupted') return verdict
    counts[verdict] += 1
    if (counts[verdict] * 2 > repeats) return verdict
  }
}
