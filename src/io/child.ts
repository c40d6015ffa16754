import { z } from 'zod'
import { ProcessReport, type ProcessReports } from '../core/process-report.js'
import type { ResolvedSettings } from '../core/settings.js'
import {
  createExchanges,
  orderSchema,
  type Exchanges,
  type Question,
  type Readiness,
  type Report,
} from './ipc.js'
import { createLifecycle, type Lifecycle } from './lifecycle.js'
import { createLogger, type Logger } from './logger.js'
import type { MetricJson } from './metric-cells.js'
import { within } from './within.js'

export interface ChildIdentity {
  readonly role: 'control' | 'proxy'
  /** Which of the processes of one role; a proxy's spool belongs to its slot. */
  readonly slot: number
}

/** What a role is given when it starts. */
export interface ChildContext {
  readonly settings: ResolvedSettings
  readonly slot: number
  /** Name in logs and metrics: `control`, `proxy-0`. */
  readonly name: string
  readonly logger: Logger
  /** Closed last-in-first-out after the drain. */
  readonly lifecycle: Lifecycle
  /** The metrics of all processes under this supervisor, in Prometheus's text format. */
  readonly gatherMetrics: () => Promise<string>
  /** What the supervisor says of its processes; never rejects, and takes no longer than {@link PROCESSES_MS}. */
  readonly askProcesses: () => Promise<ProcessReports>
  /** Aborted when the gateway as a whole begins to drain. Control is drained after the proxies and serves until then. */
  readonly gatewayDraining: AbortSignal
}

/** A role that runs: it serves until it is drained. */
export interface RunningRole {
  readiness(): Readiness | Promise<Readiness>
  metrics(): MetricJson[]
  /**
   * Stops accepting work and resolves when what was accepted is done: at the latest after the settings' drain time,
   * or soon after `hurry` is aborted.
   */
  drain(hurry: AbortSignal): Promise<void>
}

/** How long the supervisor gets to tell of its processes. */
const PROCESSES_MS = 1_000

/** How long a start that is under way may still take when the order to drain comes. */
const START_GRACE_MS = 5_000
/** How long what the role opened may take to close, all together. */
const CLOSE_MS = 20_000

/**
 * The body of a child process: takes orders from the supervisor over IPC and nothing else. SIGINT and SIGTERM are
 * ignored, since the supervisor decides when this process drains; when the channel closes the supervisor is dead
 * and this process ends at once, as its spool is in the kernel and its successor waits for it. Resolves never.
 */
export function runChild(
  identity: ChildIdentity,
  start: (context: ChildContext) => Promise<RunningRole>,
): Promise<never> {
  process.title = `crosslogic-${identity.role}`
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const name = identity.role === 'proxy' ? `proxy-${identity.slot}` : identity.role
  const gatewayDraining = new AbortController()
  const hurry = new AbortController()
  let logger = createLogger({ level: 'info', process: name })
  let starting: Promise<RunningRole> | null = null
  let running: RunningRole | null = null
  let lifecycle: Lifecycle | null = null

  const report = (message: Report) => {
    // A supervisor that is gone is noticed by `disconnect`.
    if (process.connected) process.send?.(message, () => {})
  }
  const exchanges = createExchanges(report, (what) => answerTo(running, what))

  const onStart = async (settings: ResolvedSettings) => {
    // A log reader that stalls must not stall the streams of a proxy.
    logger = createLogger({ level: settings.logLevel, process: name, sync: identity.role !== 'proxy' })
    lifecycle = createLifecycle(logger)
    const gatherMetrics = () => gather(exchanges)
    starting = start({
      settings,
      slot: identity.slot,
      name,
      logger,
      lifecycle,
      gatherMetrics,
      askProcesses: () => askProcesses(exchanges),
      gatewayDraining: gatewayDraining.signal,
    })
    try {
      running = await starting
      report({ type: 'ready' })
    } catch (error) {
      logger.fatal({ event: 'start_failed', error })
      report({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
      await within(CLOSE_MS, lifecycle.close())
      process.exit(1)
    }
  }

  const onDrain = async () => {
    try {
      const role = running ?? (await within(START_GRACE_MS, starting?.catch(() => null) ?? null))
      logger.info({ event: 'draining' })
      await role?.drain(hurry.signal)
      await within(CLOSE_MS, lifecycle?.close() ?? null)
      logger.info({ event: 'drained' })
      process.exit(0)
    } catch (error) {
      logger.fatal({ event: 'drain_failed', error })
      process.exit(1)
    }
  }

  let draining: Promise<void> | null = null
  process.on('message', (message) => {
    const order = orderSchema.parse(message)
    switch (order.type) {
      case 'start':
        void onStart(order.settings)
        break
      case 'gateway-drains':
        gatewayDraining.abort()
        break
      case 'drain':
        gatewayDraining.abort()
        draining ??= onDrain()
        break
      case 'hurry':
        hurry.abort()
        break
      case 'ask':
      case 'answer':
      case 'refusal':
        exchanges.receive(order)
        break
    }
  })
  process.on('disconnect', () => {
    // Not process.exit(): its handlers and worker threads could delay the end, and nothing is left to tidy up.
    process.kill(process.pid, 'SIGKILL')
  })
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ event: 'crashed', error })
      process.exit(1)
    })
  }
  return new Promise(() => {})
}

function answerTo(running: RunningRole | null, what: Question) {
  if (what === 'exposition' || what === 'processes') throw new Error('a child knows of itself alone')
  if (what === 'metrics') return running?.metrics() ?? []
  return running?.readiness() ?? { status: 'unready' as const, parts: { process: 'starting' } }
}

async function gather(exchanges: Exchanges): Promise<string> {
  const text = await exchanges.ask('exposition')
  if (typeof text !== 'string') throw new Error('the metrics are not a text')
  return text
}

async function askProcesses(exchanges: Exchanges): Promise<ProcessReports> {
  const from = performance.now()
  const answer = await exchanges.ask('processes', PROCESSES_MS).catch(() => null)
  const processes = z.array(ProcessReport).safeParse(answer).data ?? null
  return { processes, latencyMs: Math.round((performance.now() - from) * 10) / 10 }
}
