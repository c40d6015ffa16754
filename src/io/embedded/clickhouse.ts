import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { RunningProcess, StopStep } from '../child-process.js'
import { describeExit, stopProcess, watchProcess } from '../child-process.js'
import type { ToEngine } from './clickhouse-messages.js'
import { ENGINE_PID_FILE, ENGINE_PROCESS_TITLE, FromEngine } from './clickhouse-messages.js'
import type { EmbeddedStore } from './keep-running.js'
import { keepRunning } from './keep-running.js'
import { findLeftover, stopLeftover } from './leftover.js'
import { randomPassword } from './store-password.js'

const USER = 'crosslogic'
const START_TIMEOUT_MS = 60_000
/** It closes by itself within ten seconds when told to, or when its parent is gone. */
const CLOSE_TIMEOUT_MS = 15_000
const KILL_STEPS: readonly StopStep[] = [['SIGKILL', 5_000]]
/** Statements at once, and some room for the file system. */
const ENGINE_THREADS = 12

export interface EmbeddedClickHouseOptions {
  /** Its own folder; made when missing. */
  readonly dataDir: string
  readonly logger?: Logger | undefined
}

/**
 * Starts ClickHouse from the optional package `chdb` in a process of its own, behind ClickHouse's HTTP interface
 * on a free loopback port with a random password, on the data of the last start. Waits until the engine of a
 * killed predecessor has let go of the folder. An engine that dies is started again at the same address.
 * @throws when the package is not installed, or the engine does not start
 */
export async function startEmbeddedClickHouse(options: EmbeddedClickHouseOptions): Promise<EmbeddedStore> {
  const { logger } = options
  requirePackage()
  const folder = resolve(options.dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const password = randomPassword()
  let port = 0

  const children = new WeakMap<RunningProcess, ChildProcess>()
  const start = async () => {
    await untilFolderIsFree(folder)
    const child = fork(fileURLToPath(new URL('clickhouse-process.js', import.meta.url)), [], {
      cwd: folder,
      detached: true,
      execArgv: ['--enable-source-maps'],
      env: { PATH: process.env['PATH'], TZ: 'UTC', UV_THREADPOOL_SIZE: String(ENGINE_THREADS) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const running = watchProcess(child, (line) => logger?.warn({ store: 'clickhouse', line }, 'clickhouse'))
    children.set(running, child)
    try {
      port = await startEngine(child, running, { type: 'start', folder, port, user: USER, password })
      return running
    } catch (error) {
      await stopProcess(running, KILL_STEPS)
      throw new Error(`the embedded ClickHouse did not start: ${String(error)} ${running.lastLines()}`, {
        cause: error,
      })
    }
  }
  return keepRunning({
    name: 'clickhouse',
    url: () => `http://${USER}:${password}@127.0.0.1:${port}`,
    logger,
    start,
    async stop(running) {
      const child = children.get(running)
      if (child?.connected) child.send({ type: 'stop' } satisfies ToEngine)
      const closing = new AbortController()
      await Promise.race([
        running.exited,
        sleep(CLOSE_TIMEOUT_MS, undefined, { signal: closing.signal }).catch(() => {}),
      ])
      closing.abort()
      await stopProcess(running, KILL_STEPS)
    },
  })
}

function requirePackage(): void {
  try {
    createRequire(import.meta.url).resolve('chdb')
  } catch (error) {
    throw new Error('the optional package "chdb" is not installed; install it, or set CLICKHOUSE_URL', {
      cause: error,
    })
  }
}

/** @returns the port that it serves */
async function startEngine(
  child: ChildProcess,
  running: RunningProcess,
  order: Extract<ToEngine, { type: 'start' }>,
): Promise<number> {
  const timer = new AbortController()
  try {
    const answer = new Promise<FromEngine>((resolve, reject) => {
      child.once('message', (message) => {
        const parsed = FromEngine.safeParse(message)
        if (parsed.success) resolve(parsed.data)
        else reject(parsed.error)
      })
      child.once('error', reject)
    })
    child.send(order)
    const first = await Promise.race([
      answer,
      running.exited,
      sleep(START_TIMEOUT_MS, null, { signal: timer.signal }).catch(() => null),
    ])
    if (first === null) throw new Error(`no answer within ${START_TIMEOUT_MS} ms`)
    if (!('type' in first)) throw new Error(describeExit(first))
    if (first.type === 'failed') throw new Error(first.message)
    return first.port
  } finally {
    timer.abort()
  }
}

/** A killed gateway's engine sees its IPC channel close and ends by itself; one that does not is stopped. */
async function untilFolderIsFree(folder: string): Promise<void> {
  const leftover = {
    pidFile: join(folder, ENGINE_PID_FILE),
    folder,
    programs: [ENGINE_PROCESS_TITLE, 'node'],
  }
  const deadline = performance.now() + CLOSE_TIMEOUT_MS
  while (performance.now() < deadline) {
    if ((await findLeftover(leftover)) === null) return
    await sleep(25)
  }
  await stopLeftover(leftover, KILL_STEPS)
}
