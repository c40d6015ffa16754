import type { ProcessReport } from '../core/process-report.js'
import type { ResolvedSettings } from '../core/settings.js'
import { readinessSchema, type Question, type Readiness } from './ipc.js'
import type { Logger } from './logger.js'
import { startManagedChild, type ManagedChild } from './managed-child.js'
import { metricsSchema, type MetricJson } from './metric-cells.js'
import { createRetiredMetrics, exposition } from './metrics-aggregate.js'
import { createSupervisorMetrics } from './metrics.js'
import { createChildRoster } from './predecessors.js'

export interface FleetOptions {
  /** The entry point that children are forked from; it gets role and slot as arguments. */
  readonly modulePath: string
  readonly settings: ResolvedSettings
  readonly logger: Logger
}

/** The children of a supervisor. */
export interface Fleet {
  /** Settles when every child said that it is ready, or rejects with a StartError when one could not start. */
  readonly started: Promise<unknown>
  /** Of the proxies together. */
  readonly readiness: () => Promise<Readiness>
  /** Of all processes, in Prometheus's text format. */
  readonly metrics: () => Promise<string>
  /** Proxies first, since their last usage and look-ups may need what control serves; then control. Idempotent. */
  drain(hurry: AbortSignal): Promise<void>
}

/** Forks the processes of the settings' role and keeps them running. */
export function startFleet({ modulePath, settings, logger }: FleetOptions): Fleet {
  const roster = createChildRoster(settings.dataDir, logger)
  const own = createSupervisorMetrics()
  const retired = createRetiredMetrics()
  const lastReadings = new Map<string, MetricJson[]>()

  async function readingOf(child: ManagedChild): Promise<MetricJson[]> {
    own.up.labels({ process: child.name }).set(child.up ? 1 : 0)
    if (!child.up) return []
    try {
      const reading = metricsSchema.parse(await child.ask('metrics'))
      lastReadings.set(child.name, reading)
      return reading
    } catch (error) {
      logger.warn({ event: 'metrics_missing', child: child.name, error })
      return lastReadings.get(child.name) ?? []
    }
  }
  async function metrics(): Promise<string> {
    const readings = await Promise.all(children.map(readingOf))
    return exposition([own.toJson(), retired.reading(), ...readings])
  }

  /** Control is who asks: that it runs is plain, and to ask it back would be a circle. */
  async function processes(): Promise<ProcessReport[]> {
    return Promise.all(
      proxies.map(async (child): Promise<ProcessReport> => {
        const [readiness, metrics] = await Promise.all([
          child.ask('readiness', REPORT_MS).catch(() => null),
          child.ask('metrics', REPORT_MS).catch(() => null),
        ])
        const status = readinessSchema.safeParse(readiness).data?.status ?? null
        return { name: child.name, role: child.role, status, spoolOldestSeconds: oldestSpooled(metrics) }
      }),
    )
  }

  async function readiness(): Promise<Readiness> {
    const all = await Promise.all(proxies.map((child) => child.ask('readiness').catch(() => null)))
    return together(all.map((answer) => readinessSchema.safeParse(answer).data ?? UNREACHABLE))
  }

  const start = (role: 'control' | 'proxy', slot: number) => {
    const name = role === 'control' ? role : `proxy-${slot}`
    // Shown as 0 from the start, so that a first restart is an increase.
    const restarts = own.restarts.labels({ process: name })
    return startManagedChild({
      role,
      slot,
      name,
      modulePath,
      // The data plane has no use for the root token, nor for those that launch machines.
      settings:
        role === 'control' ? settings : { ...settings, adminToken: null, skypilot: null, hfToken: null },
      logger,
      roster,
      onRestart: () => {
        restarts.inc()
        void retired.add(lastReadings.get(name) ?? [])
        lastReadings.delete(name)
      },
      answer: (what: Question) => {
        if (what === 'exposition') return metrics()
        if (what === 'processes') return processes()
        throw new Error(`the supervisor does not answer ${what}`)
      },
    })
  }
  const control = settings.role === 'proxy' ? [] : [start('control', 0)]
  const proxies = Array.from({ length: settings.proxyProcesses }, (_, slot) => start('proxy', slot))
  const children = [...control, ...proxies]

  return {
    started: Promise.all(children.map((child) => child.started)),
    readiness,
    metrics,
    async drain(hurry) {
      const tellAll = () => {
        for (const child of children) child.hurry()
      }
      hurry.addEventListener('abort', tellAll)
      for (const child of control) child.announceDrain()
      for (const group of [proxies, control]) {
        const drained = group.map((child) => child.drain())
        if (hurry.aborted) tellAll()
        await Promise.all(drained)
      }
      hurry.removeEventListener('abort', tellAll)
    },
  }
}

/** How long a child gets to answer for a report, which others wait for. */
const REPORT_MS = 700

function oldestSpooled(metrics: unknown): number | null {
  const reading = metricsSchema.safeParse(metrics).data ?? []
  const oldest = reading.find(({ name }) => name === 'crosslogic_spool_oldest_seconds')
  return oldest?.values[0]?.value ?? null
}

const UNREACHABLE: Readiness = { status: 'unready', parts: { process: 'does not answer' } }

/** Proxies share one port, so they are as ready as the one in the best state, and degraded unless all are ready. */
function together(all: readonly Readiness[]): Readiness {
  const parts = Object.fromEntries(
    all.flatMap((one, slot) =>
      Object.entries(one.parts).map(([part, problem]) => [`proxy-${slot}.${part}`, problem] as const),
    ),
  )
  const has = (status: Readiness['status']) => all.some((one) => one.status === status)
  if (has('draining')) return { status: 'draining', parts }
  if (all.every((one) => one.status === 'ready')) return { status: 'ready', parts }
  return { status: has('ready') || has('degraded') ? 'degraded' : 'unready', parts }
}
