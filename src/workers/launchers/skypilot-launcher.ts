import { setMaxListeners } from 'node:events'
import type { Logger } from 'pino'
import type { LaunchTemplate } from '../../core/launch-template.js'
import { isOurs } from '../../core/orchestration/cluster-name.js'
import { SkyPilotError, type SkyPilotErrorKind } from '../../core/skypilot-error.js'
import { knowsItsAddress, skyPilotNodeTask } from '../../core/skypilot-node.js'
import type { SkyPilotTask } from '../../core/skypilot-task.js'
import { packageRoot } from '../../io/package-root.js'
import { createSkyPilot } from '../../io/skypilot.js'
import { type LaunchedNode, LaunchError, type Launcher, type MachineState } from './launcher.js'
import { createLaunchBook } from './skypilot-launches.js'
import { createJobs } from './skypilot-jobs.js'
import { createRemoval } from './skypilot-removal.js'
import { createServing } from './skypilot-serving.js'
import { createSighter, type Sighting } from './skypilot-sights.js'
import { launchFailureKind, machineState, placeOf } from './skypilot-state.js'

export interface SkyPilotLauncherOptions {
  readonly skypilot: { readonly url: string; readonly token: string | null }
  /** Where machines reach the control plane. */
  readonly controlUrl: string
  /** By engine. */
  readonly templates: ReadonlyMap<string, LaunchTemplate>
  /** With which engines fetch models from the hub; null: with none. */
  readonly hfToken: string | null
  /** A launch that is under way for longer has failed. */
  readonly launchTimeoutSeconds: number
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  readonly lookEveryMs?: number
  /** Between two looks for which SkyPilot asks the clouds about every machine. */
  readonly forceEveryMs?: number
  /** Between two questions about an engine that does not answer yet. */
  readonly askJobsEveryMs?: number
  /** After a machine's end has failed, until it is asked for again. */
  readonly removalPauseMs?: number
  /** A machine whose end fails for so long is forgotten by SkyPilot, whatever the cloud says. */
  readonly purgeAfterMs?: number
}

const LOG_MS = 20_000

/**
 * Machines of all clouds, by a SkyPilot API server. Which there are, and what is under way, is asked there at each look;
 * what is remembered here only saves questions, and why a launch failed. What is under way goes on when this is disposed
 * of.
 * @throws Error when the URL is not one of http(s), or has credentials in it
 */
export function createSkyPilotLauncher({
  skypilot,
  controlUrl,
  templates,
  hfToken,
  launchTimeoutSeconds,
  logger,
  now,
  lookEveryMs = 5_000,
  forceEveryMs = 60_000,
  askJobsEveryMs = 20_000,
  removalPauseMs = 30_000,
  purgeAfterMs = 24 * 60 * 60_000,
}: SkyPilotLauncherOptions): Launcher {
  const client = createSkyPilot(skypilot)
  const stopping = new AbortController()
  const { signal } = stopping
  // Each call that is under way listens to it.
  setMaxListeners(0, signal)
  const book = createLaunchBook(client, signal, now)
  const removal = createRemoval({ client, signal, logger, now, pauseMs: removalPauseMs, purgeAfterMs })
  const sight = createSighter({ client, signal, logger, now, forceEveryMs })
  const serving = createServing(client, signal)
  const jobs = createJobs({ client, signal, now, askEveryMs: askJobsEveryMs })
  /** Launches that SkyPilot is being asked for at this moment. */
  const asking = new Map<string, Promise<void>>()
  const secretsOf = ({ apiKey }: LaunchedNode) => (hfToken === null ? [apiKey] : [apiKey, hfToken])

  async function stateOf(
    node: LaunchedNode,
    { clusters, requests, underWay }: Sighting,
  ): Promise<MachineState> {
    const { clusterName: name, apiKey } = node
    const cluster = clusters.get(name) ?? null
    const open = underWay.get(name) ?? []
    const downId = removal.requestId(name)
    const goingDown =
      open.some((request) => request.name === 'sky.down') ||
      (downId !== null && requests.get(downId)?.finishedAt === null)
    if (cluster === null && !goingDown) {
      // One that served is gone as one that an earlier process launched would be: that is no failure of its launch.
      if (serving.hasAnswered(name)) book.forget(name)
      serving.forget(name)
      jobs.forget(name)
      removal.forget(name)
    }
    const { launch, elapsedMs } = await book.follow(name, requests, open)
    const isUp =
      cluster?.status === 'UP' && !goingDown && launch.launch !== 'running' && launch.launch !== 'waiting'
    const cloud = cluster?.cloud ?? null
    const findsItsAddress = cloud === null || knowsItsAddress(cloud)
    // One that was launched by an earlier process, and speaks for itself, is left to its agent.
    const asked = isUp && (launch.launch === 'succeeded' || !findsItsAddress)
    const url = asked ? await serving.urlOf(name, apiKey) : null
    const isSilent = asked && url === null
    const job = isSilent ? await jobs.stageOf(name, secretsOf(node)) : { engine: 'unknown' as const }
    const state = machineState({
      market: node.machine.market,
      cluster,
      launch,
      goingDown,
      elapsedMs,
      launchTimeoutMs: launchTimeoutSeconds * 1000,
      serves: asked ? url !== null : null,
      job,
      endpointUrl: findsItsAddress ? null : url,
    })
    const place = placeOf(cluster)
    return place !== undefined && (state.state === 'coming' || state.state === 'up')
      ? { ...state, place }
      : state
  }

  function taskOf(node: LaunchedNode, token: string): SkyPilotTask {
    const template = templates.get(node.machine.engine)
    if (template === undefined)
      throw new LaunchError('refused', `there is no launch template of the engine '${node.machine.engine}'`)
    try {
      return skyPilotNodeTask({ ...node, token, template, controlUrl, hfToken, packageRoot })
    } catch (error) {
      throw new LaunchError('refused', error instanceof Error ? error.message : 'it is not a task', {
        cause: error,
      })
    }
  }

  async function launchNow(node: LaunchedNode, token: string, task: SkyPilotTask): Promise<void> {
    const { clusterName: name } = node
    const open = await client.requestsOf(name, { signal })
    const there = await client.status([name], { signal })
    // It has another token: its agent would never be let in.
    if (open.length > 0 || there.length > 0)
      throw new LaunchError('failed', 'an earlier launch had been heard after all; its machine is of no use')
    book.expect(name, [...secretsOf(node), token])
    try {
      book.asked(name, await client.launch(task, name, { signal }))
    } catch (error) {
      if (isDoubtful(error)) book.doubted(name)
      throw error
    }
  }

  return {
    kind: 'skypilot',
    hasAgents: true,
    lookEveryMs,
    async look(nodes) {
      book.know(nodes.map((node) => [node.clusterName, secretsOf(node)]))
      if (nodes.length === 0) return new Map()
      const names = nodes.map(({ clusterName }) => clusterName)
      const ids = (name: string) =>
        [book.openRequest(name), removal.requestId(name)].filter((id) => id !== null)
      try {
        const sighting = await sight({
          names,
          requestIds: new Map(names.map((name) => [name, ids(name)])),
          isOpen: (name, cluster) => book.mayBeOpen(name, cluster),
        })
        return new Map(
          await Promise.all(
            nodes.map(async (node) => [node.clusterName, await stateOf(node, sighting)] as const),
          ),
        )
      } catch (error) {
        if (error instanceof SkyPilotError && error.kind === 'unauthorized')
          throw new LaunchError('unauthorized', error.message, { cause: error })
        throw error
      }
    },
    async launch(node, token) {
      const { clusterName: name } = node
      const asked = launchNow(node, token, taskOf(node, token)).catch((error: unknown) => {
        if (!(error instanceof SkyPilotError)) throw error
        const isDoubtful = ['unreachable', 'deadline', 'request_lost', 'cancelled'].includes(error.kind)
        if (!isDoubtful) throw new LaunchError(launchFailureKind(error.kind), error.message, { cause: error })
        // It may have been heard: the next looks find out.
        logger.warn({ event: 'skypilot_launch_in_doubt', cluster: name, reason: error.message })
      })
      asking.set(name, asked)
      try {
        await asked
      } finally {
        if (asking.get(name) === asked) asking.delete(name)
      }
    },
    async remove(clusterName) {
      await asking.get(clusterName)?.catch(() => {})
      await removal.remove(clusterName)
      book.forget(clusterName)
      serving.forget(clusterName)
      jobs.forget(clusterName)
    },
    async machines(installation) {
      const clusters = await client.status(null, { signal })
      return clusters.map(({ name }) => name).filter((name) => isOurs(name, installation))
    },
    async lastLines(clusterName, count) {
      const options = { hide: book.secretsOf(clusterName), signal, deadlineMs: LOG_MS }
      try {
        const requestId = book.openRequest(clusterName)
        if (requestId === null) return await client.jobLog(clusterName, count, options)
        const lines: string[] = []
        for await (const line of client.logs(requestId, { ...options, follow: false })) {
          lines.push(line)
          if (lines.length > count) lines.shift()
        }
        return lines
      } catch {
        return []
      }
    },
    async [Symbol.asyncDispose]() {
      stopping.abort(new Error('the launcher is being closed'))
      await Promise.allSettled(asking.values())
      await serving[Symbol.asyncDispose]()
      await client[Symbol.asyncDispose]()
    },
  }
}

/** Whether what was asked for may have been heard. */
function isDoubtful(error: unknown): boolean {
  const kinds: readonly SkyPilotErrorKind[] = ['unreachable', 'deadline', 'request_lost', 'cancelled']
  return error instanceof SkyPilotError && kinds.includes(error.kind)
}
