/** A map that forgets its oldest entries beyond `most`: what strangers can fill must have an end. */
export interface BoundedMap<K, V> {
  get(key: K): V | undefined
  /** Makes the entry the newest. */
  set(key: K, value: V): void
  delete(key: K): void
  clear(): void
  entries(): IterableIterator<[K, V]>
  readonly size: number
}

/** @param onForget hears of what is forgotten for want of room */
export function createBoundedMap<K, V>(
  most: number,
  onForget: (value: V) => void = () => {},
): BoundedMap<K, V> {
  const map = new Map<K, V>()
  return {
    get: (key) => map.get(key),
    set(key, value) {
      map.delete(key)
      map.set(key, value)
      if (map.size <= most) return
      for (const [oldest, forgotten] of map) {
        map.delete(oldest)
        onForget(forgotten)
        break
      }
    },
    delete(key) {
      map.delete(key)
    },
    clear() {
      map.clear()
    },
    entries: () => map.entries(),
    get size() {
      return map.size
    },
  }
}
