/**
 * The load generator: a process of its own, so that its work is not counted as anybody else's. Takes orders over
 * IPC and ends when its parent is gone.
 */
import { openConnection, type Connection } from '../../load/connection.js'
import { sendArrivals } from './arrivals.js'
import { Order, type LoadOrder, type LoadResult, type Report } from './messages.js'
import { sendRequests } from './requests.js'
import { createSender, prepareRequest, withLimit, type Sender } from './sending.js'
import { sendStreams } from './streams.js'
import { createLoadTally } from './tally.js'
import { sendUnread } from './unread.js'

/** Connections that are being opened at once; more would overflow the listener's queue. */
const OPENING = 100

interface ConnectionSet {
  readonly host: string
  readonly connections: readonly Connection[]
}

const sets = new Map<number, ConnectionSet>()
const unread = new Map<number, readonly Pick<Connection, 'close'>[]>()

async function openMany<T>(count: number, open: () => Promise<T>): Promise<T[]> {
  const opened: T[] = []
  while (opened.length < count) {
    const length = Math.min(OPENING, count - opened.length)
    opened.push(...(await Promise.all(Array.from({ length }, open))))
  }
  return opened
}

function close(set: number): void {
  for (const connection of sets.get(set)?.connections ?? []) connection.close()
  for (const connection of unread.get(set) ?? []) connection.close()
  sets.delete(set)
  unread.delete(set)
}

function load(order: LoadOrder, connections: readonly Connection[], sender: Sender): Promise<void> {
  switch (order.kind) {
    case 'requests':
      return sendRequests(connections, sender, order)
    case 'arrivals':
      return sendArrivals(connections, sender, order)
    case 'streams':
      return sendStreams(connections, sender, order)
  }
}

async function carryOut(order: Order): Promise<LoadResult | null> {
  switch (order.kind) {
    case 'open': {
      const { host, port } = order
      const connections = await openMany(order.connections, () => openConnection(host, port))
      sets.set(order.set, { host: `${host}:${port}`, connections })
      return null
    }
    case 'unread': {
      const { host, port } = order
      const request = prepareRequest(order.request, `${host}:${port}`)
      unread.set(order.set, await openMany(order.connections, () => sendUnread(host, port, request)))
      return null
    }
    case 'close':
      close(order.set)
      return null
    case 'requests':
    case 'arrivals':
    case 'streams': {
      const set = sets.get(order.set)
      if (set === undefined) throw new Error(`there is no set of connections ${order.set}`)
      const tally = createLoadTally()
      const sender = createSender(prepareRequest(order.request, set.host), order.record, tally)
      await withLimit(load(order, set.connections, sender), sender, order.limitMs)
      return tally.result()
    }
  }
}

process.title = 'crosslogic-bench-load'
process.on('message', (message) => {
  const order = Order.parse(message)
  const report = (outcome: Omit<Report, 'answers'>): void => {
    process.send?.({ answers: order.set, ...outcome } satisfies Report)
  }
  carryOut(order).then(
    (result) => {
      report({ result, error: null })
    },
    (error: unknown) => {
      report({ result: null, error: error instanceof Error ? error.message : String(error) })
    },
  )
})
process.once('disconnect', () => process.exit())
