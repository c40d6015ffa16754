import { mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { lockDataDir } from '../../io/data-dir-lock.js'
import type { Logger } from '../../io/logger.js'
import { engineEnvironment } from './engine-environment.js'
import { type LocalNode, startLocalNode } from './local-node.js'
import { INSTALLATION_MARK, isNodeName } from './local-marks.js'
import { adopt, commandOf, type LocalLaunch, logPath, stopFolder } from './local-process.js'
import { hasRecord, type LocalRecord, readRecord } from './local-record.js'
import type { LocalState } from './local-state.js'
import { lastLines, LOG_LIMITS, type LogLimits } from './log-file.js'
import { HOST } from './node-port.js'

export interface LocalProcessesOptions {
  /** `DATA_DIR/nodes`; made when missing. One at a time may have it. */
  readonly folder: string
  readonly logger: Logger
  /** Whose nodes these are, by which they are found from elsewhere: see local-marks.ts. Null: nobody looks. */
  readonly installation?: string | null
  /** The environment of this program, of which engines get what they need. */
  readonly environment: NodeJS.ProcessEnv
  readonly logLimits?: LogLimits
  /** Unix milliseconds. */
  readonly now?: () => number
  /** 0 up to 1. */
  readonly random?: () => number
  readonly onChange?: (clusterName: string, state: LocalState) => void
}

/** Nodes that run as processes of this machine. Disposal leaves them running, for the next one to adopt. */
export interface LocalProcesses extends AsyncDisposable {
  /** Its folder, absolute and without symbolic links. */
  readonly root: string
  /**
   * Sees to it that the node runs: adopts it when it runs already, does nothing when it is being kept running, waits for a
   * stop under way, begins anew after it failed. What runs is not compared with what is asked: a node's launch does not
   * change under its name. Resolves as soon as that is under way; its state says how it goes.
   * @throws LaunchTemplateError or GatewayError when the template and the launch do not go together
   */
  launch(clusterName: string, launch: LocalLaunch): Promise<void>
  /** Null: it was neither launched nor stopped by this one. */
  state(clusterName: string): LocalState | null
  /** Names of all nodes that have a process by what lies on disk, whoever started it: also those nobody asked for since. */
  recorded(): Promise<string[]>
  /** What is to become of a node by what lies on disk; null: it has no process by that. */
  wanted(clusterName: string): LocalRecord['wanted'] | null
  /** Where a recorded node answers that has been ready and lives, whoever keeps it running; null: there is none. */
  serving(clusterName: string): string | null
  /** Names of all nodes that have a folder, those of which nothing is left but their logs included. */
  folders(): Promise<string[]>
  /** Ends all processes of a node, whether it was launched here or is only recorded, and resolves when none lives. */
  stop(clusterName: string): Promise<void>
  /** What the node printed last, secrets hidden; nothing of one that was not launched here, whose secrets are not known. */
  lastLines(clusterName: string, count: number): string[]
  /** Stops a node and removes its folder, logs included. Disposal on the way leaves the folder to a successor. */
  discard(clusterName: string): Promise<void>
}

/** For processes without a record, which only bear their node's mark. */
const STRAY_STEPS: LocalRecord['stop'] = { signal: 'SIGTERM', graceMs: 10_000 }

/**
 * Opens the nodes of this machine. What was being stopped when a predecessor was killed is stopped now; what was running
 * waits to be launched again, which adopts it, or to be stopped.
 * @throws StartError when another process has the folder
 */
export async function openLocalProcesses(options: LocalProcessesOptions): Promise<LocalProcesses> {
  const { logger, now = Date.now, random = Math.random, logLimits = LOG_LIMITS } = options
  const { installation = null } = options
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  const root = await realpath(options.folder)
  const lock = await lockDataDir(root)
  const machineEnv = {
    ...engineEnvironment(options.environment),
    ...(installation === null ? {} : { [INSTALLATION_MARK]: installation }),
  }
  const nodes = new Map<string, LocalNode>()
  const secrets = new Map<string, readonly string[]>()
  const stops = new Map<string, Promise<void>>()
  const closing = new AbortController()

  const folderOf = (clusterName: string) => {
    if (!isNodeName(clusterName))
      throw new RangeError(`not the name of a node: ${JSON.stringify(clusterName)}`)
    return join(root, clusterName)
  }

  async function folders(): Promise<string[]> {
    return (await readdir(root)).filter(isNodeName)
  }

  async function recorded(): Promise<string[]> {
    return (await folders()).filter((name) => hasRecord(join(root, name)))
  }

  function stop(clusterName: string): Promise<void> {
    const folder = folderOf(clusterName)
    const under = stops.get(clusterName)
    if (under !== undefined) return under
    const node = nodes.get(clusterName)
    const stopped =
      node === undefined
        ? stopFolder(folder, readRecord(folder)?.stop ?? STRAY_STEPS, closing.signal)
        : node.stop()
    const done = stopped.finally(() => {
      stops.delete(clusterName)
    })
    stops.set(clusterName, done)
    return done
  }

  for (const name of await recorded()) {
    if (readRecord(join(root, name))?.wanted !== 'stopped') continue
    stop(name).catch((error: unknown) => {
      logger.error({ event: 'local_node_not_stopped', node: name, error })
    })
  }

  return {
    root,
    async launch(clusterName, launch) {
      const folder = folderOf(clusterName)
      // Refused before anything is touched; the port is chosen later.
      commandOf(launch, 1)
      while (stops.has(clusterName)) await stops.get(clusterName)?.catch(() => {})
      if (closing.signal.aborted) throw new Error('the local launcher has been closed')
      const known = nodes.get(clusterName)
      if (known !== undefined && !['failed', 'stopped', 'stopping'].includes(known.state.stage)) return
      secrets.set(
        clusterName,
        [launch.apiKey, ...Object.values(launch.secrets)].filter((text) => text !== ''),
      )
      const node = startLocalNode({
        clusterName,
        folder,
        launch,
        machineEnv,
        logLimits,
        logger,
        now,
        random,
        onChange: (state) => {
          options.onChange?.(clusterName, state)
        },
        isTaken: (port) => [...nodes.values()].some((other) => other.port === port),
      })
      nodes.set(clusterName, node)
    },
    state: (clusterName) => nodes.get(clusterName)?.state ?? null,
    recorded,
    folders,
    wanted(clusterName) {
      const folder = folderOf(clusterName)
      // What one that cannot be read told of may run still: it ran when that was written.
      return hasRecord(folder) ? (readRecord(folder)?.wanted ?? 'running') : null
    },
    serving(clusterName) {
      const record = adopt(folderOf(clusterName), [])?.record
      return record === undefined || record.activeAt === null ? null : `http://${HOST}:${record.port}`
    },
    stop,
    lastLines(clusterName, count) {
      const hidden = secrets.get(clusterName)
      return hidden === undefined ? [] : lastLines(logPath(folderOf(clusterName)), count, hidden)
    },
    async discard(clusterName) {
      const folder = folderOf(clusterName)
      await stop(clusterName)
      // It may live still: its record is what it is found by.
      if (closing.signal.aborted) return
      nodes.delete(clusterName)
      secrets.delete(clusterName)
      await rm(folder, { recursive: true, force: true })
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await Promise.all([...nodes.values()].map((node) => node.release()))
      await Promise.allSettled(stops.values())
      await lock.release()
    },
  }
}
