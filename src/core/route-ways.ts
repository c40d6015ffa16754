/**
 * Where requests for a model may go besides: to its fallbacks and to the models that it splits to, by name. Mirrored
 * copies are no such way, since nobody waits for their answer and they go no further.
 */
export type Ways = ReadonlyMap<string, readonly string[]>

/** The shortest way from one model to another, both included; null: there is none. */
export function wayBetween(ways: Ways, from: string, to: string): string[] | null {
  const cameFrom = new Map<string, string | null>([[from, null]])
  // A Map yields what is added to it on the way.
  for (const [model] of cameFrom) {
    if (model === to) return tracedBack(cameFrom, to)
    for (const next of ways.get(model) ?? []) if (!cameFrom.has(next)) cameFrom.set(next, model)
  }
  return null
}

function tracedBack(cameFrom: ReadonlyMap<string, string | null>, end: string): string[] {
  const way: string[] = []
  for (let model: string | null = end; model !== null; model = cameFrom.get(model) ?? null) way.unshift(model)
  return way
}
