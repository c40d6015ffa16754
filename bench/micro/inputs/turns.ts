/** Yields the items in turn, over and over: each run of a bench gets another input. */
export function turns<T>(items: readonly T[]): () => T {
  let at = -1
  return () => {
    at = at + 1 === items.length ? 0 : at + 1
    const item = items[at]
    if (item === undefined) throw new RangeError('there are no inputs')
    return item
  }
}
