/** Which GPUs a model runs on when nobody says: by how many parameters it has. */

export interface GpuChoice {
  /** Of which any will do. */
  readonly models: readonly string[]
  readonly count: number
}

interface Step extends GpuChoice {
  /** Billions of parameters, less than which it is for. */
  readonly below: number
}

const STEPS: readonly Step[] = [
  { below: 14, models: ['A10G'], count: 1 },
  { below: 70, models: ['A100', 'A100-80GB'], count: 1 },
  { below: 200, models: ['H100'], count: 4 },
]
const LARGEST: GpuChoice = { models: ['H100'], count: 8 }

/** How many of each make a billion. */
const UNITS: Readonly<Record<string, number>> = { K: 1e6, M: 1e3, B: 1, T: 1e-3 }

/**
 * Billions of parameters that a model's size says: `8B`, `0.5B`, `350M`, `8x7B` (all experts), `235B-A22B` (of which the
 * first counts); null: it says no number of them.
 */
export function billionsOf(size: string): number | null {
  const [, experts = '1', number, unit = ''] =
    /^\s*(?:(\d{1,6})\s*[x×]\s*)?(\d{1,9}(?:\.\d{1,9})?)\s*([kmbt])(?![a-z])/i.exec(size) ?? []
  if (number === undefined) return null
  return (Number(experts) * Number(number)) / (UNITS[unit.toUpperCase()] ?? 1)
}

/** The GPUs for a model of a size, or else of as many parameters as fill its memory with two bytes each. */
export function defaultGpusOf({ size, vramGb }: { size: string | null; vramGb: number }): GpuChoice {
  const billions = (size === null ? null : billionsOf(size)) ?? vramGb / 2
  return STEPS.find(({ below }) => billions < below) ?? LARGEST
}
