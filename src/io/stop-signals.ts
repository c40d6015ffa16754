export interface StopSignals extends Disposable {
  /** Aborted by the first SIGTERM or SIGINT: drain. */
  readonly stop: AbortSignal
  /**
   * Aborted by a second one at least a second later: end the wait. Sooner ones are one and the same Ctrl-C, which
   * the terminal sends to the whole group and npm passes on as well.
   */
  readonly hurry: AbortSignal
}

const SAME_SIGNAL_MS = 1_000

/** Takes SIGTERM and SIGINT over from Node until it is disposed. */
export function listenForStopSignals(): StopSignals {
  const stop = new AbortController()
  const hurry = new AbortController()
  let firstAt = 0
  const onSignal = (signal: NodeJS.Signals) => {
    if (!stop.signal.aborted) {
      firstAt = performance.now()
      stop.abort(signal)
    } else if (performance.now() - firstAt >= SAME_SIGNAL_MS) {
      hurry.abort(signal)
    }
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return {
    stop: stop.signal,
    hurry: hurry.signal,
    [Symbol.dispose]() {
      process.off('SIGTERM', onSignal)
      process.off('SIGINT', onSignal)
    },
  }
}
