import { setTimeout as sleep } from 'node:timers/promises'
import type { Faults } from './faults.js'
import { takeShortage } from './faults.js'
import { PICKLE, PythonError } from './python-error.js'
import type { WorkContext } from './requests.js'
import { type Cluster, type ClusterCounts, type Instance, type InstanceStart, statusOf } from './cluster.js'
import type { ReadTask } from './task.js'

export interface ClusterTable {
  readonly all: readonly Cluster[]
  find(name: string): Cluster | undefined
  launch(
    task: ReadTask,
    name: string,
    retryUntilUp: boolean,
    context: WorkContext,
  ): Promise<{ job_id: number; handle: string }>
  /** What is known, after asking the provider about some of them. */
  status(names: readonly string[] | null, refresh: 'NONE' | 'AUTO' | 'FORCE'): Record<string, unknown>[]
  endpoints(name: string, port: string | null): Record<string, string>
  down(name: string, purge: boolean, signal: AbortSignal): Promise<null>
  jobStatus(name: string): Record<string, string>
  /** The last lines that a cluster's job has printed. */
  jobLog(name: string, count: number): readonly string[]
  /** What has been asked for and what is there, to find out that nothing was launched twice and nothing is left. */
  counts(): ClusterCounts
  autostop(name: string, idleMinutes: number, down: boolean): null
  /** The provider takes the machine, after a notice or without one. */
  preempt(name: string, noticeMs: number | null): Promise<void>
  /** The server on the machine crashes: an idle machine, which goes after its idle minutes. */
  crash(name: string): Promise<void>
  close(): Promise<void>
}

const STEP_MS = 10
const RETRY_MS = 50

export interface ClusterTableInput {
  readonly faults: () => Faults
  readonly start: (input: InstanceStart) => Promise<Instance>
  readonly metadataUrl: (clusterName: string) => string
  /** How long one of SkyPilot's idle minutes takes here. */
  readonly minuteMs: number
}

/** The clusters of one server, and what runs on them. */
export function createClusterTable({
  faults,
  start,
  metadataUrl,
  minuteMs,
}: ClusterTableInput): ClusterTable {
  const clusters = new Map<string, Cluster>()
  /** Launches of one name wait for each other, as SkyPilot's lock has it. */
  const launches = new Map<string, Promise<unknown>>()
  const timers = new Set<NodeJS.Timeout>()
  const launched = new Map<string, number>()
  const started = new Map<string, number>()
  let closed = false

  function later(ms: number, what: () => Promise<void>): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      void what()
    }, ms)
    timers.add(timer)
  }

  async function provision(task: ReadTask, name: string, context: WorkContext): Promise<Cluster> {
    for (const place of task.places) {
      const where = `${place.cloud}/${place.region}`
      context.log(`⚙︎ Launching on ${where}.`)
      if (takeShortage(faults(), place) !== undefined) {
        context.log(`W Got error: insufficient capacity in ${where}`)
        continue
      }
      const cluster: Cluster = {
        name,
        place,
        launchedAt: Math.floor(Date.now() / 1000),
        ports: task.ports,
        status: 'INIT',
        instance: null,
        jobs: 0,
        jobStatus: 'RUNNING',
        autodownMinutes: task.autodownMinutes,
        everUp: false,
        takenAt: null,
        taken: false,
      }
      clusters.set(name, cluster)
      await lasting(() => faults().provisionMs, context.signal)
      context.log('└── Instance is up.')
      return cluster
    }
    throw new PythonError(
      'ResourcesUnavailableError',
      'Failed to provision all possible launchable resources. Relax the task’s resource requirements.',
    )
  }

  async function launchOne(
    task: ReadTask,
    name: string,
    retryUntilUp: boolean,
    context: WorkContext,
  ): Promise<{ job_id: number; handle: string }> {
    const there = clusters.get(name)
    if (there !== undefined && there.instance !== null && !there.taken)
      return { job_id: ++there.jobs, handle: PICKLE }
    for (;;) {
      context.signal.throwIfAborted()
      try {
        const cluster = await provision(task, name, context)
        const { launchError } = faults()
        if (launchError !== null) throw new PythonError(launchError.type, launchError.message)
        const input = { clusterName: name, place: cluster.place, task, metadataUrl: metadataUrl(name) }
        cluster.status = 'UP'
        cluster.everUp = true
        await lasting(() => faults().setupMs, context.signal)
        started.set(name, (started.get(name) ?? 0) + 1)
        const instance = await start(input)
        // Whoever cancelled it in the meantime, or took it down, has no machine to end.
        if (context.signal.aborted || closed || clusters.get(name) !== cluster) {
          await instance[Symbol.asyncDispose]()
          throw new Error('cancelled')
        }
        cluster.instance = instance
        void instance.ended?.then(() => {
          cluster.jobStatus = 'FAILED'
          goWhenIdle(cluster)
        })
        context.log(`✓ Cluster launched: ${name}.`)
        return { job_id: ++cluster.jobs, handle: PICKLE }
      } catch (error) {
        const isShort = error instanceof PythonError && error.type === 'ResourcesUnavailableError'
        if (!isShort || !retryUntilUp) throw error
        context.log('Retrying…')
        await sleep(RETRY_MS, undefined, { signal: context.signal })
      }
    }
  }

  function found(name: string): Cluster {
    const cluster = clusters.get(name)
    if (cluster === undefined)
      throw new PythonError('ClusterDoesNotExist', `Cluster '${name}' does not exist.`)
    return cluster
  }

  async function remove(cluster: Cluster): Promise<void> {
    if (clusters.get(cluster.name) === cluster) clusters.delete(cluster.name)
    const { instance } = cluster
    cluster.instance = null
    await instance?.[Symbol.asyncDispose]()
  }

  /** Nothing runs there any more. */
  function goWhenIdle(cluster: Cluster): void {
    if (cluster.autodownMinutes === null || cluster.instance === null || cluster.taken || closed) return
    later(cluster.autodownMinutes * minuteMs, () => remove(cluster))
  }

  async function take(cluster: Cluster): Promise<void> {
    if (cluster.taken) return
    cluster.taken = true
    await cluster.instance?.kill()
  }

  return {
    get all() {
      return [...clusters.values()]
    },
    find: (name) => clusters.get(name),
    async launch(task, name, retryUntilUp, context) {
      launched.set(name, (launched.get(name) ?? 0) + 1)
      const before = launches.get(name) ?? Promise.resolve()
      const launch = before.catch(() => {}).then(() => launchOne(task, name, retryUntilUp, context))
      launches.set(name, launch)
      return await launch
    },
    status(names, refresh) {
      for (const cluster of [...clusters.values()]) {
        const mayGo = cluster.place.useSpot || cluster.autodownMinutes !== null
        const asked = refresh === 'FORCE' || (refresh === 'AUTO' && mayGo)
        if (asked && cluster.taken) clusters.delete(cluster.name)
      }
      return [...clusters.values()].filter(({ name }) => names?.includes(name) ?? true).map(statusOf)
    },
    endpoints(name, port) {
      const cluster = clusters.get(name)
      if (cluster === undefined) throw new PythonError('ClusterNotUpError', `Cluster '${name}' not found.`)
      if (cluster.status !== 'UP' || cluster.instance === null)
        throw new PythonError('ClusterNotUpError', `Cluster '${name}' is not in UP status.`)
      const open = cluster.ports.filter((each) => port === null || each === port)
      if (cluster.ports.length === 0)
        throw new PythonError('ValueError', `Cluster '${name}' does not have any ports to be opened.`)
      const { host } = new URL(cluster.instance.url)
      return Object.fromEntries(open.map((each) => [each, host]))
    },
    async down(name, purge, signal) {
      const cluster = found(name)
      await lasting(() => faults().downMs, signal)
      const { downError } = faults()
      if (downError !== null && !purge) throw new PythonError(downError.type, downError.message)
      await remove(cluster)
      return null
    },
    jobStatus(name) {
      const { status, jobs, jobStatus } = found(name)
      if (status !== 'UP')
        throw new PythonError('ClusterNotUpError', `Cluster '${name}' is not in UP status.`)
      return { [String(jobs)]: jobStatus }
    },
    jobLog: (name, count) => clusters.get(name)?.instance?.lines?.slice(-count) ?? [],
    counts: () => ({
      launches: Object.fromEntries(launched),
      started: Object.fromEntries(started),
      alive: [...clusters.values()]
        .filter(({ instance, taken }) => instance !== null && !taken)
        .map(({ name }) => name),
    }),
    autostop(name, idleMinutes, down) {
      found(name).autodownMinutes = down && idleMinutes >= 0 ? idleMinutes : null
      return null
    },
    async preempt(name, noticeMs) {
      const cluster = found(name)
      if (noticeMs === null) {
        await take(cluster)
        return
      }
      cluster.takenAt = new Date(Date.now() + noticeMs)
      later(noticeMs, () => take(cluster))
    },
    async crash(name) {
      const cluster = found(name)
      await cluster.instance?.kill()
      // One that says when it ends has said so.
      if (cluster.instance?.ended === undefined) goWhenIdle(cluster)
    },
    async close() {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      await Promise.all([...launches.values()].map((launch) => launch.catch(() => {})))
      await Promise.all([...clusters.values()].map(remove))
    },
  }
}

/** In steps, so that a test can end it. */
async function lasting(ms: () => number, signal: AbortSignal): Promise<void> {
  for (const begun = performance.now(); performance.now() - begun < ms();)
    await sleep(STEP_MS, undefined, { signal })
}
