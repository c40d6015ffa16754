/** What instance types of the catalogue cost where, and which of some is the cheapest. */
import type { Market } from './machine.js'

/** An instance type of the catalogue; prices are micro-dollars an hour where the multiplier is 1, null: not known. */
export interface InstanceOffer {
  readonly id: string
  readonly provider: string
  readonly name: string
  readonly memoryGb: number
  readonly gpuModel: string | null
  readonly gpuCount: number
  /** Of each GPU. */
  readonly gpuMemoryGb: number | null
  /** Codes; null: all of its provider's. */
  readonly regions: readonly string[] | null
  readonly onDemandMicros: number | null
  readonly spotMicros: number | null
}

export interface OfferedRegion {
  readonly id: string
  readonly provider: string
  readonly code: string
  /** Of prices. */
  readonly multiplier: number
}

/** An instance type and where it can be had. */
export interface Candidate {
  readonly type: InstanceOffer
  /** The cheapest first; at least one. */
  readonly regions: readonly OfferedRegion[]
}

/** The cheapest first. */
export function byPrice(regions: readonly OfferedRegion[]): OfferedRegion[] {
  return regions.toSorted(
    (a, b) => a.multiplier - b.multiplier || order(a.code, b.code) || order(a.provider, b.provider),
  )
}

/** The cheapest of some, of which there is one. Where its own price is not known, the price on demand decides. */
export function cheapest(candidates: readonly Candidate[], market: Market): Candidate {
  const [first] = candidates.toSorted(
    (a, b) =>
      dearer(priceIn(a, market), priceIn(b, market)) ||
      dearer(priceIn(a, 'on_demand'), priceIn(b, 'on_demand')) ||
      a.type.gpuCount - b.type.gpuCount ||
      a.type.memoryGb - b.type.memoryGb ||
      order(a.type.name, b.type.name) ||
      order(a.type.provider, b.type.provider),
  )
  if (first === undefined) throw new Error('there is nothing to choose from')
  return first
}

/** Micro-dollars an hour in the cheapest of its regions; null: not known. */
export function priceIn({ type, regions }: Candidate, market: Market): number | null {
  const [region] = regions
  const micros = market === 'spot' ? type.spotMicros : type.onDemandMicros
  return micros === null || region === undefined ? null : Math.round(micros * region.multiplier)
}

/** Orders prices; those that are not known come last. */
function dearer(a: number | null, b: number | null): number {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0)
  return a - b
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
