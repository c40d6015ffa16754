import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { RunningProcess, StopStep } from '../child-process.js'
import { describeExit, startProcess, stopProcess } from '../child-process.js'
import { freePort } from './free-port.js'
import type { EmbeddedStore } from './keep-running.js'
import { keepRunning } from './keep-running.js'
import { stopLeftover } from './leftover.js'
import { randomPassword } from './store-password.js'

const PROGRAMS = ['redis-server', 'valkey-server']
const STOP_STEPS: readonly StopStep[] = [
  ['SIGTERM', 5_000],
  ['SIGKILL', 5_000],
]
const START_TIMEOUT_MS = 15_000
const PORT_ATTEMPTS = 3

export interface EmbeddedRedisOptions {
  /** Its own folder; made when missing. */
  readonly dataDir: string
  readonly logger?: Logger | undefined
  /** Bytes; beyond it the least recently used keys that have an expiry are dropped. Default 256 MiB. */
  readonly maxMemoryBytes?: number
}

/**
 * Starts `redis-server` or `valkey-server` from the PATH on a free loopback port, with a random password and
 * without persistence: it holds caches and live state only. A server that a killed predecessor left in the
 * folder is stopped first.
 * @returns null when neither program is installed
 * @throws when the server does not start
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedStore | null> {
  const command = await findOnPath(PROGRAMS)
  if (command === null) return null
  const folder = resolve(options.dataDir)
  const pidFile = join(folder, 'redis.pid')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await stopLeftover({ pidFile, folder, programs: PROGRAMS }, STOP_STEPS)

  const password = randomPassword()
  let port = await freePort()
  let started = false
  const start = async () => {
    for (let attempt = 1; ; attempt++) {
      try {
        const running = await startServer({ command, folder, pidFile, port, password, options })
        started = true
        return running
      } catch (error) {
        // Somebody took the port between the probe and the start. Once handed out, the address has to stay.
        if (started || attempt === PORT_ATTEMPTS || !/in use/i.test(String(error))) throw error
        port = await freePort()
      }
    }
  }
  return keepRunning({
    name: 'redis',
    url: () => `redis://:${password}@127.0.0.1:${port}`,
    logger: options.logger,
    start,
    stop: (running) => stopProcess(running, STOP_STEPS),
  })
}

async function startServer(server: {
  command: string
  folder: string
  pidFile: string
  port: number
  password: string
  options: EmbeddedRedisOptions
}): Promise<RunningProcess> {
  const { folder, port, password, options } = server
  const running = await startProcess({
    command: server.command,
    // The configuration goes through stdin: a password among the arguments could be read by every user.
    args: ['-'],
    cwd: folder,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    input: [
      'bind 127.0.0.1',
      `port ${port}`,
      `requirepass ${password}`,
      `dir "${folder}"`,
      `pidfile "${server.pidFile}"`,
      'daemonize no',
      'save ""',
      'appendonly no',
      `maxmemory ${options.maxMemoryBytes ?? 256 * 1024 * 1024}`,
      'maxmemory-policy volatile-lru',
      '',
    ].join('\n'),
    onLine: (line) => options.logger?.debug({ store: 'redis', line }, 'redis'),
  })
  try {
    await untilItAnswers(running, port, password)
    return running
  } catch (error) {
    await stopProcess(running, STOP_STEPS)
    throw new Error(`the embedded Redis did not start: ${running.lastLines()}`, { cause: error })
  }
}

async function untilItAnswers(running: RunningProcess, port: number, password: string): Promise<void> {
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    password,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  redis.on('error', () => {})
  try {
    const deadline = performance.now() + START_TIMEOUT_MS
    while (performance.now() < deadline) {
      if (running.hasExited) throw new Error(describeExit(await running.exited))
      try {
        await redis.connect()
        await redis.ping()
        return
      } catch {
        await sleep(25)
      }
    }
    throw new Error(`no answer within ${START_TIMEOUT_MS} ms`)
  } finally {
    redis.disconnect()
  }
}

async function findOnPath(programs: readonly string[]): Promise<string | null> {
  for (const program of programs) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      if (folder === '') continue
      const path = join(folder, program)
      const usable = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (usable) return path
    }
  }
  return null
}

/** Whether a `redis-server` or `valkey-server` is on the PATH. */
export async function hasRedisServer(): Promise<boolean> {
  return (await findOnPath(PROGRAMS)) !== null
}
