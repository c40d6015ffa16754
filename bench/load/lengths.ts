import { z } from 'zod'

/** How many tokens prompts or answers have. */
export const Lengths = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('fixed'), tokens: z.number() }),
  z.object({ kind: z.literal('uniform'), least: z.number(), most: z.number() }),
  z.object({ kind: z.literal('normal'), mean: z.number(), deviation: z.number() }),
  /** `sigma` is the standard deviation of the logarithm. */
  z.object({ kind: z.literal('lognormal'), median: z.number(), sigma: z.number() }),
])
export type Lengths = z.infer<typeof Lengths>

/** Nobody's context is longer; also keeps the tails of normal and lognormal draws in bounds. */
export const MOST_TOKENS = 1_000_000

const INTEGER = '(\\d{1,7})'
const NUMBER = '(\\d{1,7}(?:\\.\\d+)?)'
const FIXED = new RegExp(`^${INTEGER}$`)
const UNIFORM = new RegExp(`^uniform:${INTEGER}-${INTEGER}$`)
const NORMAL = new RegExp(`^normal:${NUMBER},${NUMBER}$`)
const LOGNORMAL = new RegExp(`^lognormal:${NUMBER},${NUMBER}$`)

/** Reads `512`, `uniform:100-900`, `normal:MEAN,DEVIATION` or `lognormal:MEDIAN,SIGMA`; null when it is none. */
export function parseLengths(text: string): Lengths | null {
  const pair = (pattern: RegExp): readonly [number, number] | null => {
    const match = pattern.exec(text)
    return match === null ? null : [Number(match[1]), Number(match[2])]
  }
  const inBounds = (tokens: number): boolean => tokens >= 1 && tokens <= MOST_TOKENS
  const fixed = FIXED.exec(text)
  if (fixed !== null) {
    const tokens = Number(fixed[1])
    return inBounds(tokens) ? { kind: 'fixed', tokens } : null
  }
  const uniform = pair(UNIFORM)
  if (uniform !== null) {
    const [least, most] = uniform
    return inBounds(least) && inBounds(most) && least <= most ? { kind: 'uniform', least, most } : null
  }
  const normal = pair(NORMAL)
  if (normal !== null)
    return inBounds(normal[0]) ? { kind: 'normal', mean: normal[0], deviation: normal[1] } : null
  const lognormal = pair(LOGNORMAL)
  if (lognormal !== null && inBounds(lognormal[0]) && lognormal[1] <= 5)
    return { kind: 'lognormal', median: lognormal[0], sigma: lognormal[1] }
  return null
}

/** Draws a whole number of tokens, from 1 to {@link MOST_TOKENS}. */
export function drawLength(lengths: Lengths, random: () => number): number {
  switch (lengths.kind) {
    case 'fixed':
      return lengths.tokens
    case 'uniform':
      return lengths.least + Math.floor(random() * (lengths.most - lengths.least + 1))
    case 'normal':
      return bounded(lengths.mean + lengths.deviation * standardNormal(random))
    case 'lognormal':
      return bounded(lengths.median * Math.exp(lengths.sigma * standardNormal(random)))
  }
}

function bounded(tokens: number): number {
  return Math.min(MOST_TOKENS, Math.max(1, Math.round(tokens)))
}

/** Box and Muller's transform. */
function standardNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
