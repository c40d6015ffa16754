import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '../../core/errors.js'
import { LaunchTemplateError } from '../../core/template-text.js'
import type { Logger } from '../../io/logger.js'
import {
  adopt,
  commandOf,
  endLeftovers,
  type LocalLaunch,
  logPath,
  type RunningNode,
  start,
  stopFolder,
  stopSteps,
} from './local-process.js'
import { entered, type LocalStage, type LocalState, restartPauseMs, startProgress } from './local-state.js'
import { type LogLimits, rotateLog } from './log-file.js'
import { listenOn } from './process-group.js'
import { choosePort, HOST } from './node-port.js'
import { isReady, probe, type Probed } from './readiness.js'
import { TOLD_LINES, toldReason } from './told-reason.js'

export interface LocalNodeOptions {
  readonly clusterName: string
  /** Absolute, without symbolic links. */
  readonly folder: string
  readonly launch: LocalLaunch
  readonly machineEnv: Readonly<Record<string, string>>
  readonly logLimits: LogLimits
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** 0 up to 1. */
  readonly random: () => number
  readonly onChange: (state: LocalState) => void
  /** Whether another node of this machine has the port or is about to take it. */
  readonly isTaken: (port: number) => boolean
}

/** A node on this machine, kept running. */
export interface LocalNode {
  readonly state: LocalState
  /** What holds the node's port; null: none is chosen. */
  readonly port: number | null
  /** Ends all of its processes for good; resolves when none lives. Idempotent. */
  stop(): Promise<void>
  /** Leaves it as it is, for a successor to adopt. */
  release(): Promise<void>
}

/** How one process went. */
interface Life {
  /** Why it ended. */
  readonly reason: string
  /** What it printed last. */
  readonly lines: readonly string[]
  /** Whether it served long enough to have been a good start. */
  readonly steady: boolean
}

const LOOK_MS = 100
/** Between two looks at all its processes and at the size of its log. */
const TEND_MS = 2_000
/** Of the last lines, the end: there engines say what went wrong. */
const TOLD_CHARACTERS = 2_000

/**
 * Keeps a node running: adopts what its folder says runs already, else starts it; waits until it is ready; starts it
 * again, with pauses that grow, when it ends unasked; gives up after as many failures in a row as its template allows.
 */
export function startLocalNode(options: LocalNodeOptions): LocalNode {
  const { clusterName, folder, launch, logger, now } = options
  const { template } = launch
  const leaving = new AbortController()
  const interrupted = new AbortController()
  let stopping: Promise<void> | null = null
  let current: RunningNode | null = null
  let port: number | null = null
  let tendedAt = -Infinity
  let state: LocalState = {
    stage: 'installing',
    progress: 0,
    stages: [],
    endpointUrl: null,
    pid: null,
    starts: 0,
    error: null,
  }

  function enter(stage: LocalStage, changes: Partial<Omit<LocalState, 'stage' | 'stages'>> = {}): void {
    const before = state
    state = entered(state, stage, now(), changes)
    if (state.stage !== before.stage) logger.info({ event: 'local_node', node: clusterName, stage })
    options.onChange(state)
  }

  async function startOnce(failures: number, preferredPort: number | null): Promise<RunningNode | null> {
    enter('installing', { progress: 0, pid: null })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    await endLeftovers(folder, stopSteps(launch), leaving.signal)
    if (leaving.signal.aborted) return null
    port = await choosePort(preferredPort, options.isTaken)
    if (leaving.signal.aborted) return null
    enter('installing', { endpointUrl: `http://${HOST}:${port}`, starts: state.starts + 1 })
    return start({
      folder,
      launch,
      port,
      failures,
      startedAt: now(),
      machineEnv: options.machineEnv,
      stillWanted: () => !leaving.signal.aborted,
    })
  }

  /** Waits until it serves. @returns why it does not; null: it does, or is left */
  async function awaitReady(node: RunningNode): Promise<string | null> {
    const { path, timeout_seconds: timeoutSeconds, interval_seconds: intervalSeconds } = template.readiness
    const timeoutMs = timeoutSeconds * 1000
    let last: Probed | null = null
    for (let askedAt = -Infinity; !leaving.signal.aborted;) {
      const ended = node.ended()
      if (ended !== null) return ended
      const elapsedMs = now() - node.record.startedAt
      const loaded = last?.connected === true || state.stage === 'health_check'
      const stage = loaded ? 'health_check' : 'model_loading'
      const progress = Math.max(state.progress, startProgress(stage, elapsedMs, timeoutMs))
      if (stage !== state.stage || progress !== state.progress) enter(stage, { progress })
      if (performance.now() - askedAt >= intervalSeconds * 1000) {
        askedAt = performance.now()
        last = await probe(node.record.port, path, leaving.signal)
        if (isReady(last) && node.ended() === null) {
          // Whoever else took the port answers as well.
          if (listenOn(node.members(), node.record.port) !== false) return null
          last = { ...last, text: `port ${node.record.port} belongs to another process` }
        }
      }
      tend(node)
      if (elapsedMs >= timeoutMs) {
        await node.end(stopSteps(launch), interrupted.signal)
        return `it was not ready within ${timeoutSeconds} s: ${last?.text ?? 'it was never asked'}`
      }
      await pause(LOOK_MS)
    }
    return null
  }

  /** Tends a node that serves. @returns why it no longer does */
  async function awaitEnd(node: RunningNode): Promise<string> {
    for (; !leaving.signal.aborted; await pause(LOOK_MS)) {
      const ended = node.ended()
      if (ended !== null) return ended
      tend(node)
    }
    return ''
  }

  /** Writes down its processes and looks after its log, now and then, and when something else is to be written down. */
  function tend(node: RunningNode, changes: { activeAt?: number } = {}): void {
    if (performance.now() - tendedAt < TEND_MS && changes.activeAt === undefined) return
    tendedAt = performance.now()
    try {
      node.note(changes)
      rotateLog(logPath(folder), options.logLimits)
    } catch (error) {
      // A disk that is full, say, is no reason to end what serves.
      logger.error({ event: 'local_node_untended', node: clusterName, error })
    }
  }

  /** One process to its end, unless it is left. */
  async function live(node: RunningNode): Promise<Life> {
    const pid = node.record.process.pid
    let reason: string | null = null
    if (node.record.activeAt === null) {
      enter('model_loading', { pid })
      reason = await awaitReady(node)
      if (reason === null && !leaving.signal.aborted) tend(node, { activeAt: now() })
    }
    if (reason === null && !leaving.signal.aborted) {
      enter('active', { pid, progress: 100, error: null })
      reason = await awaitEnd(node)
    }
    if (reason === null || leaving.signal.aborted) return { reason: '', lines: [], steady: true }
    const { activeAt } = node.record
    const lines = node.lastLines(TOLD_LINES)
    await node.end(stopSteps(launch), interrupted.signal)
    const steady = activeAt !== null && now() - activeAt >= template.restart.steady_seconds * 1000
    return { reason, lines, steady }
  }

  async function keep(): Promise<void> {
    // A launch that cannot be is refused before anything is touched.
    const secrets = commandOf(launch, 1).secrets
    current = adopt(folder, secrets)
    let failures = current?.record.failures ?? 0
    let preferredPort = current?.record.port ?? null
    if (current !== null) {
      port = current.record.port
      enter(state.stage, { endpointUrl: `http://${HOST}:${port}` })
      logger.info({ event: 'local_node_adopted', node: clusterName, pid: current.record.process.pid })
    }
    while (!leaving.signal.aborted) {
      let life: Life
      try {
        current ??= await startOnce(failures, preferredPort)
        if (current === null) return
        life = await live(current)
        preferredPort = current.record.activeAt === null ? null : current.record.port
      } catch (error) {
        if (isFinal(error)) throw error
        life = { reason: error instanceof Error ? error.message : String(error), lines: [], steady: false }
      }
      if (leaving.signal.aborted) return
      current = null
      failures = life.steady ? 1 : failures + 1
      // What an engine prints may be its users': it goes to who asks for the node, not into the gateway's log.
      const { reason, lines } = life
      const told = toldReason(reason, lines, TOLD_CHARACTERS)
      if (failures >= template.restart.attempts) {
        await stopFolder(folder, stopSteps(launch), interrupted.signal)
        logger.error({ event: 'local_node_given_up', node: clusterName, reason, failures })
        enter('failed', { pid: null, error: `given up after ${failures} failed starts; the last: ${told}` })
        return
      }
      const pauseMs = restartPauseMs(failures, template.restart, options.random())
      logger.warn({ event: 'local_node_ended', node: clusterName, reason, failures, restartInMs: pauseMs })
      enter('installing', { progress: 0, pid: null, error: told })
      await pause(pauseMs)
    }
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: leaving.signal }).catch(() => {})
  }

  const kept = keep().catch((error: unknown) => {
    logger.error({ event: 'local_node_abandoned', node: clusterName, error })
    enter('failed', { pid: null, error: error instanceof Error ? error.message : String(error) })
  })

  async function stopForGood(): Promise<void> {
    const steps = stopSteps(launch)
    enter('stopping')
    leaving.abort()
    await kept
    // Written down, so that a successor goes on with it should this program be killed now.
    await stopFolder(folder, steps, interrupted.signal)
    if (interrupted.signal.aborted) return
    port = null
    enter('stopped', { pid: null })
  }

  return {
    get state() {
      return state
    },
    get port() {
      return port
    },
    stop: () =>
      (stopping ??= stopForGood().catch((error: unknown) => {
        // It can be asked again.
        stopping = null
        throw error
      })),
    async release() {
      leaving.abort()
      interrupted.abort()
      await kept
      await stopping?.catch(() => {})
      current?.unref()
    },
  }
}

/** No further try would end otherwise. */
function isFinal(error: unknown): boolean {
  return error instanceof LaunchTemplateError || error instanceof GatewayError
}
