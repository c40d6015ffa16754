import { once } from 'node:events'

/** Aborts on the first Ctrl-C or SIGTERM, with an error that says so; a second one ends the process as ever. */
export function abortOnInterrupt(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      controller.abort(new Error('interrupted'))
    })
  }
  return controller.signal
}

/** The promise's result. @throws the signal's reason once it is aborted */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const done = new AbortController()
  const aborted = once(signal, 'abort', { signal: done.signal }).then(() => {
    signal.throwIfAborted()
    return promise
  })
  aborted.catch(() => {})
  try {
    return await Promise.race([promise, aborted])
  } finally {
    done.abort()
  }
}
