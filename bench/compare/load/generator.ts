import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Report, type LoadResult, type Order } from './messages.js'

/** The load generator's process, as its parent sees it. One order at a time. */
export interface LoadGenerator extends AsyncDisposable {
  open(host: string, port: number, connections: number): Promise<void>
  /** @throws when the order could not be carried out; failed requests are part of the result */
  run(order: Extract<Order, { kind: 'requests' | 'streams' }>): Promise<LoadResult>
  close(): Promise<void>
}

const MODULE = fileURLToPath(new URL('./generator-process.js', import.meta.url))

/** Starts the load generator. */
export async function startLoadGenerator(): Promise<LoadGenerator> {
  // In its own process group, so that Ctrl-C reaches the parent alone, which then ends it.
  const child = fork(MODULE, [], { detached: true })
  await once(child, 'spawn')
  const exited = once(child, 'exit')
  const lost = exited.then((): never => {
    throw new Error('the load generator ended')
  })
  // Only who waits for an answer is told.
  lost.catch(() => {})

  async function ask(order: Order): Promise<LoadResult | null> {
    const answer = once(child, 'message')
    child.send(order)
    const values: unknown[] = await Promise.race([answer, lost])
    const report = Report.parse(values[0])
    if ('error' in report) throw new Error(`load generator: ${report.error}`)
    return report.result
  }

  return {
    async open(host, port, connections) {
      await ask({ kind: 'open', host, port, connections })
    },
    async run(order) {
      const result = await ask(order)
      if (result === null) throw new Error('the load generator answered without a result')
      return result
    },
    async close() {
      await ask({ kind: 'close' })
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
