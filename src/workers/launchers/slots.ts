/** Runs work for whoever asks, in the order of asking, only so much of it at once. */
export interface Slots {
  run<T>(work: () => Promise<T>): Promise<T>
}

/** @param most how much at once */
export function createSlots(most: number): Slots {
  let free = most
  const waiting: (() => void)[] = []
  return {
    async run(work) {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) free++
        else next()
      }
    },
  }
}
