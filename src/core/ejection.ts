/** At most this share of a model's nodes is ejected for being slow; never the only one. */
const MOST_EJECTED = 0.5
/** With fewer than this share of a model's nodes admitted, the verdicts are distrusted. */
const LEAST_ADMITTED = 0.5

/**
 * Whether one more node may be ejected that works, but works badly. Those that are out for any reason count, so that
 * this alone never makes {@link isPanic} true.
 * @param serving nodes of the model that are to take traffic
 * @param out those of them that get none
 */
export function mayEject(serving: number, out: number): boolean {
  return out + 1 <= Math.floor(serving * MOST_EJECTED)
}

/**
 * Whether so many of a model's nodes are held to be down that the verdict is more likely wrong than they, or that the
 * rest could not carry the load: then all of them are asked.
 */
export function isPanic(serving: number, admitted: number): boolean {
  return admitted < serving * LEAST_ADMITTED
}
