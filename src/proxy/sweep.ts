/**
 * Looks at deadlines every `everyMs`. A process that was stopped for a while finds its timers due and its sockets full:
 * what the nodes had sent in time is read first, or they would be blamed for our own silence.
 */
export function startSweep(everyMs: number, sweep: () => void): Disposable {
  let soon: NodeJS.Immediate | null = null
  const timer = setInterval(() => {
    // Sockets are read between timers and immediates.
    soon = setImmediate(sweep)
  }, everyMs)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      if (soon !== null) clearImmediate(soon)
    },
  }
}
