import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Report, type LoadOrder, type LoadResult, type Order, type PlannedRequest } from './messages.js'

type WithoutSet<T> = T extends unknown ? Omit<T, 'set'> : never
/** A load, whatever connections it goes over. */
export type Load = WithoutSet<LoadOrder>

/** Where connections go. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Connections of the load generator to one server. One load at a time; disposal closes them. */
export interface LoadConnections extends AsyncDisposable {
  /** @throws when the load could not be sent; failed requests are part of the result */
  run(load: Load): Promise<LoadResult>
}

/** The load generator's process, as its parent sees it. Sets of connections work beside each other. */
export interface LoadGenerator extends AsyncDisposable {
  /** @throws when one cannot be opened */
  open(address: Address, connections: number): Promise<LoadConnections>
  /** Connections that send the request and never read; they stay open until disposal. @throws as `open` */
  openUnread(address: Address, connections: number, request: PlannedRequest): Promise<AsyncDisposable>
}

const MODULE = fileURLToPath(new URL('./generator-process.js', import.meta.url))

interface Waiting {
  resolve(result: LoadResult | null): void
  reject(error: Error): void
}

/** Starts the load generator. */
export async function startLoadGenerator(): Promise<LoadGenerator> {
  // In its own process group, so that Ctrl-C reaches the parent alone, which then ends it.
  const child = fork(MODULE, [], { detached: true })
  const exited = once(child, 'exit')
  await once(child, 'spawn')
  /** Who waits for an answer, by set: each has one order at a time. */
  const waiting = new Map<number, Waiting>()
  let lastSet = 0

  child.on('message', (message) => {
    const { answers, result, error } = Report.parse(message)
    const asker = waiting.get(answers)
    waiting.delete(answers)
    if (error === null) asker?.resolve(result)
    else asker?.reject(new Error(`load generator: ${error}`))
  })
  child.once('exit', () => {
    for (const asker of waiting.values()) asker.reject(new Error('the load generator ended'))
    waiting.clear()
  })

  function ask(order: Order): Promise<LoadResult | null> {
    return new Promise((resolve, reject) => {
      if (!child.connected) {
        reject(new Error('the load generator ended'))
        return
      }
      waiting.set(order.set, { resolve, reject })
      child.send(order)
    })
  }

  const closing = (set: number) => async (): Promise<void> => {
    if (child.connected) await ask({ kind: 'close', set })
  }

  return {
    async open({ host, port }, connections) {
      const set = (lastSet += 1)
      await ask({ kind: 'open', set, host, port, connections })
      return {
        async run(load) {
          const result = await ask({ ...load, set })
          if (result === null) throw new Error('the load generator answered without a result')
          return result
        },
        [Symbol.asyncDispose]: closing(set),
      }
    },
    async openUnread({ host, port }, connections, request) {
      const set = (lastSet += 1)
      await ask({ kind: 'unread', set, host, port, connections, request })
      return { [Symbol.asyncDispose]: closing(set) }
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
