import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { SETTING_NAMES, type ResolvedSettings } from '../core/settings.js'
import type { ChildIdentity } from './child.js'
import { createExchanges, reportSchema, type Exchanges, type Json, type Order, type Question } from './ipc.js'
import type { Logger } from './logger.js'
import type { ChildRoster } from './predecessors.js'
import { StartError } from './start-error.js'

/**
 * V8 learns from the first requests, which all survive their scavenge, to allocate such objects in old space, and never
 * unlearns it: then every request is garbage for the slow collector (bench: small, 3 MB promoted in each scavenge).
 */
const PROXY_FLAGS = ['--no-allocation-site-pretenuring']

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
/** A child that lived this long had started well, so the next restart is quick again. */
const STEADY_MS = 30_000
/** What a child gets beyond its drain time to close its stores, and what it gets when told to hurry. */
const CLOSE_MS = 30_000
const HURRY_MS = 15_000

export interface ManagedChildOptions extends ChildIdentity {
  readonly name: string
  /** The program's entry point; it gets role and slot as arguments. */
  readonly modulePath: string
  readonly settings: ResolvedSettings
  readonly logger: Logger
  readonly roster: ChildRoster
  readonly onRestart: () => void
  /** Answers what a child asks of the supervisor. */
  readonly answer: (what: Question) => Promise<Json> | Json
}

/** One slot of the supervisor: a process that is replaced when it ends unasked. */
export interface ManagedChild {
  readonly name: string
  readonly role: ChildIdentity['role']
  /** Whether the present process has said that it is ready. */
  readonly up: boolean
  /** Settles with the first process: rejects with a StartError when that ends before it was ready. */
  readonly started: Promise<void>
  ask(what: Question, timeoutMs?: number): Promise<Json>
  /** Tells the process, and any that replaces it, that the gateway drains; its own drain is ordered later. */
  announceDrain(): void
  /** Orders the drain and resolves when the process has ended; it is killed when it takes far too long. */
  drain(): Promise<void>
  /** Ends a drain that is under way. */
  hurry(): void
}

interface Incarnation {
  readonly process: ChildProcess
  readonly exchanges: Exchanges
  ready: boolean
  failure: string | null
}

/** Forks a child and keeps its slot filled. */
export function startManagedChild(options: ManagedChildOptions): ManagedChild {
  const { name, logger, roster, settings } = options
  const draining = new AbortController()
  let drainAnnounced = false
  let current: Incarnation | null = null
  let markStarted: () => void
  let markFailed: (error: Error) => void
  const started = new Promise<void>((resolve, reject) => {
    markStarted = resolve
    markFailed = reject
  })
  // Whoever stops the start before it awaits this must not crash by it.
  started.catch(() => {})

  function send(child: ChildProcess, order: Order): void {
    // The exit that closes a channel is handled where it is awaited.
    if (child.connected) child.send(order, () => {})
  }

  function launch(): Incarnation {
    const child = fork(options.modulePath, [options.role, String(options.slot)], {
      // Its own process group: a Ctrl-C reaches the supervisor alone.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...process.execArgv, ...(options.role === 'proxy' ? PROXY_FLAGS : [])],
      env: childEnvironment(),
    })
    child.on('error', (error) => {
      logger.error({ event: 'process_error', child: name, error })
    })
    if (child.pid !== undefined) roster.add(child.pid)
    const exchanges = createExchanges((message) => {
      send(child, message)
    }, options.answer)
    const incarnation: Incarnation = { process: child, exchanges, ready: false, failure: null }
    child.on('message', (message) => {
      const report = reportSchema.parse(message)
      switch (report.type) {
        case 'ready':
          incarnation.ready = true
          markStarted()
          break
        case 'failed':
          incarnation.failure = report.message
          break
        case 'ask':
        case 'answer':
        case 'refusal':
          exchanges.receive(report)
          break
      }
    })
    send(child, { type: 'start', settings })
    if (drainAnnounced) send(child, { type: 'gateway-drains' })
    if (draining.signal.aborted) send(child, { type: 'drain' })
    return incarnation
  }

  /** One process from its fork to its end. */
  async function runOnce() {
    let incarnation: Incarnation
    try {
      incarnation = launch()
    } catch (error) {
      // The system refused a process, for want of memory say; it may grant the next one.
      return { exit: String(error), pid: undefined, ready: false, failure: null }
    }
    current = incarnation
    const exit = await exitOf(incarnation.process)
    current = null
    incarnation.exchanges.abandon()
    const { pid } = incarnation.process
    if (pid !== undefined) roster.remove(pid)
    return { exit, pid, ready: incarnation.ready, failure: incarnation.failure }
  }

  async function keepFilled(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    let everReady = false
    while (!draining.signal.aborted) {
      const startedAt = performance.now()
      const { exit, pid, ready, failure } = await runOnce()
      everReady ||= ready
      if (draining.signal.aborted) {
        if (exit !== 'exit code 0') logger.error({ event: 'process_ended_badly', child: name, exit })
        break
      }
      if (!everReady) {
        markFailed(new StartError(`${name} did not start: ${failure ?? exit}`))
        return
      }
      options.onRestart()
      if (performance.now() - startedAt >= STEADY_MS) pauseMs = FIRST_PAUSE_MS
      logger.error({
        event: 'process_died',
        child: name,
        pid,
        exit,
        restartInMs: pauseMs,
      })
      await sleep(pauseMs, undefined, { signal: draining.signal }).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
    markFailed(new StartError(`${name} was stopped before it was ready`))
  }
  // One slot's trouble must not end the supervisor, which would take every other child with it.
  const ended = keepFilled().catch((error: unknown) => {
    logger.fatal({ event: 'slot_abandoned', child: name, error })
    markFailed(new StartError(`${name} cannot be kept running: ${String(error)}`, 1, { cause: error }))
  })

  let killTimer: NodeJS.Timeout | undefined
  function killAfter(ms: number): void {
    clearTimeout(killTimer)
    killTimer = setTimeout(() => {
      logger.error({ event: 'killing_process', child: name })
      current?.process.kill('SIGKILL')
    }, ms)
  }

  return {
    name,
    role: options.role,
    get up() {
      return current?.ready ?? false
    },
    started,
    ask: (what, timeoutMs) =>
      current?.exchanges.ask(what, timeoutMs) ?? Promise.reject(new Error(`${name} does not run`)),
    announceDrain() {
      drainAnnounced = true
      if (current !== null) send(current.process, { type: 'gateway-drains' })
    },
    async drain() {
      if (!draining.signal.aborted) {
        draining.abort()
        killAfter((settings.drainDelaySeconds + settings.drainSeconds) * 1000 + CLOSE_MS)
        if (current !== null) send(current.process, { type: 'drain' })
      }
      await ended
      clearTimeout(killTimer)
    },
    hurry() {
      if (current === null || !draining.signal.aborted) return
      send(current.process, { type: 'hurry' })
      killAfter(HURRY_MS)
    },
  }
}

async function exitOf(child: ChildProcess): Promise<string> {
  if (child.pid === undefined) {
    const values: unknown[] = await once(child, 'error')
    return values.map(String).join()
  }
  if (child.exitCode === null && child.signalCode === null) {
    // Not events.once: that rejects at an `error`, such as a failed kill, while the process still runs.
    await new Promise((resolve) => child.once('exit', resolve))
  }
  return child.signalCode === null ? `exit code ${child.exitCode ?? 'unknown'}` : `signal ${child.signalCode}`
}

/** uWebSockets.js reads this from the environment; its default of 4 KiB is little for long tokens and traces. */
const MAX_HEADERS_BYTES = '16384'

/** The environment without the settings: those go by IPC. */
function childEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !SETTING_NAMES.includes(name))
  return { UWS_HTTP_MAX_HEADERS_SIZE: MAX_HEADERS_BYTES, ...Object.fromEntries(kept) }
}
