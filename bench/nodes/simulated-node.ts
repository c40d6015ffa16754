import { createServer, type AddressInfo, type Server } from 'node:net'
import { serveConnection, type Connection } from './connection.js'
import type { Engine, EngineWork } from './engine.js'
import { createFaultBox, type FaultKind, type FaultRule } from './faults.js'
import { createLedger, type LedgerEntry } from './ledger.js'
import { createNodeMetrics } from './metrics.js'
import { parseOptions, type SimulatedNodeInput, type SimulatedNodeOptions } from './options.js'
import { after, createPacer, type Timed } from './pacer.js'
import { createPrefixCache } from './prefix-cache.js'
import { seededRandom } from './random.js'
import { route, type NodeControl } from './routes.js'
import { createScheduler } from './scheduler.js'

/** What a node is doing now. `openSockets` counts the one that asks. */
export interface NodeStats {
  readonly running: number
  readonly waiting: number
  readonly openSockets: number
  /** Sockets with a request in progress. */
  readonly busySockets: number
  readonly mostRunning: number
  readonly requests: number
  readonly generationTokens: number
}

export interface SimulatedNode extends AsyncDisposable {
  /** `http://host:port`, the API under `/v1`. */
  readonly url: string
  readonly port: number
  readonly options: SimulatedNodeOptions
  /** Attempts by `x-request-id`, oldest first. */
  readonly ledger: ReadonlyMap<string, readonly LedgerEntry[]>
  stats(): NodeStats
  /** Sets a standing fault, in the place of one of its kind. Resolves when it holds (`refuse`: nothing listens). */
  setFault(rule: FaultRule): Promise<void>
  /** Ends a standing fault. Resolves when the node listens again, if that was it. */
  clearFault(kind: FaultKind): Promise<void>
  clearLedger(): void
  /** Stops listening and destroys every socket. Repeatable. */
  close(): Promise<void>
}

const FLAP_PERIOD_MS = 1_000

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off('error', reject)
      const address: AddressInfo | string | null = server.address()
      if (address === null || typeof address === 'string') reject(new Error('the server has no port'))
      else resolve(address.port)
    })
  })
}

function stopListening(server: Server): Promise<void> {
  // Without the callback of close(): that waits for connections, which may live on.
  return new Promise((resolve) => {
    server.close()
    setImmediate(resolve)
  })
}

function createEngine(options: SimulatedNodeOptions): Engine {
  const random = seededRandom(options.seed)
  return {
    options,
    pacer: createPacer(),
    scheduler: createScheduler<EngineWork>(options.maxRunning),
    metrics: createNodeMetrics(),
    ledger: createLedger(options.ledgerLimit),
    faults: createFaultBox(random),
    prefixCache: options.prefixCache ? createPrefixCache() : undefined,
    random,
  }
}

/**
 * Starts an OpenAI-compatible server that behaves like a GPU node. Rejects with a one-line `Error` on bad
 * options or a port that is taken.
 */
export async function startSimulatedNode(input: SimulatedNodeInput = {}): Promise<SimulatedNode> {
  const options = parseOptions(input)
  const engine = createEngine(options)
  const connections = new Set<Connection>()
  let requests = 0
  let listening = true
  let closed = false

  const server = createServer({ noDelay: true }, (socket) => {
    const connection = serveConnection(
      socket,
      () => engine.pacer.now(),
      (exchange) => {
        requests += 1
        route(engine, exchange, control)
      },
    )
    connections.add(connection)
    socket.on('close', () => connections.delete(connection))
  })
  const port = await listen(server, options.host, options.port)

  const closeIdle = (idleMs: number): void => {
    const before = engine.pacer.now() - idleMs
    for (const { socket, busy, idleSince } of connections) if (!busy && idleSince <= before) socket.end()
  }
  const idleSweep = setInterval(() => closeIdle(options.keepAliveMs), Math.max(10, options.keepAliveMs / 5))
  idleSweep.unref()

  const goDown = async (): Promise<void> => {
    if (!listening) return
    listening = false
    await stopListening(server)
    closeIdle(0)
  }
  const comeUp = async (): Promise<void> => {
    if (listening || closed) return
    listening = true
    await listen(server, options.host, port)
  }
  let flapping: Timed | undefined
  const flap = (rule: FaultRule, up: boolean): void => {
    void (up ? comeUp() : goDown())
    if (!up && rule.reset === true) for (const { socket } of connections) socket.resetAndDestroy()
    flapping = after(engine.pacer, (rule.ms ?? FLAP_PERIOD_MS) / 2, () => flap(rule, !up))
  }
  const stopFlapping = (): void => {
    if (flapping !== undefined) engine.pacer.cancel(flapping)
    flapping = undefined
  }

  const clearFault = async (kind: FaultKind): Promise<void> => {
    engine.faults.clear(kind)
    if (kind === 'flap') stopFlapping()
    if (kind === 'refuse' || kind === 'flap') await comeUp()
  }

  const setFault = async (rule: FaultRule): Promise<void> => {
    engine.faults.set(rule)
    if (rule.kind === 'flap') {
      stopFlapping()
      flap(rule, false)
    }
    if (rule.kind !== 'refuse') return
    await goDown()
    if (rule.ms !== undefined) after(engine.pacer, rule.ms, () => void clearFault('refuse'))
  }

  const stats = (): NodeStats => ({
    running: engine.scheduler.running.size,
    waiting: engine.scheduler.waiting.size,
    openSockets: connections.size,
    busySockets: [...connections].filter((connection) => connection.busy).length,
    mostRunning: engine.scheduler.mostRunning(),
    requests,
    generationTokens: engine.metrics.generationTokens,
  })
  const control: NodeControl = { stats, setFault, clearFault }

  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    clearInterval(idleSweep)
    if (listening) await stopListening(server)
    const gone = [...connections].map(
      ({ socket }) => new Promise<void>((resolve) => void socket.once('close', () => resolve())),
    )
    for (const { socket } of connections) socket.destroy()
    await Promise.all(gone)
    engine.pacer.stop()
  }

  for (const rule of options.faults) await setFault(rule)
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    port,
    options,
    ledger: engine.ledger.entries,
    stats,
    setFault,
    clearFault,
    clearLedger: () => engine.ledger.clear(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
