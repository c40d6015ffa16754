import type { Logger } from './logger.js'

export interface Lifecycle extends AsyncDisposable {
  /**
   * Puts a closer on top of the stack. What is added after closing began is closed at once, so that a start which
   * was interrupted leaks nothing.
   */
  add(name: string, close: () => unknown, options?: { readonly timeoutMs?: number }): void
  /** Closes everything, the last added first, each in turn. Idempotent; a failure is logged and stops nothing. */
  close(): Promise<void>
}

/** A last-in-first-out shutdown stack. A closer that takes longer than its timeout (default 10 s) is left behind. */
export function createLifecycle(logger: Pick<Logger, 'debug' | 'error'>): Lifecycle {
  interface Entry {
    readonly name: string
    readonly close: () => unknown
    readonly timeoutMs: number
  }
  const stack: Entry[] = []
  let closing: Promise<void> | null = null

  async function closeOne({ name, close, timeoutMs }: Entry): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`not closed after ${timeoutMs} ms`))
      }, timeoutMs)
    })
    try {
      await Promise.race([Promise.resolve().then(close), timeout])
      logger.debug({ event: 'closed', resource: name })
    } catch (error) {
      logger.error({ event: 'close_failed', resource: name, error })
    } finally {
      clearTimeout(timer)
    }
  }

  async function closeAll(): Promise<void> {
    for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) await closeOne(entry)
  }

  const close = () => (closing ??= closeAll())
  return {
    add(name, closer, { timeoutMs = 10_000 } = {}) {
      stack.push({ name, close: closer, timeoutMs })
      if (closing !== null) closing = closing.then(closeAll)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
