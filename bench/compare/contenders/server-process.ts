import { execFile, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { reservePort } from '../../../src/io/reserve-port.js'
import { takesConnections } from '../../../src/io/takes-connections.js'
import { descendants, lives } from '../../proc-stat.js'

/** Where the bench's servers listen. */
export const HOST = '127.0.0.1'
const STOP_MS = 5_000
const KEPT_CHARACTERS = 2_000
const SHOWN_LINES = 3

/** A server that was started for the bench; disposal ends it with all its descendants and removes its folder. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number
  readonly pid: number
}

export interface ServerCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface ServerOptions {
  readonly name: string
  /** Writes what the server needs into its own folder and answers how it is started. */
  prepare(directory: string, port: number): Promise<ServerCommand>
  /** Longest start, in ms. */
  readonly startMs: number
  /** Whether it serves; default: it takes connections. */
  readonly isReady?: (port: number) => Promise<boolean>
}

/** Starts a server on a free port of loopback and waits until it is ready. @throws when it is not, with its words */
export async function startServerProcess(options: ServerOptions): Promise<ServerProcess> {
  const { name, startMs, isReady = (port) => takesConnections({ port, host: HOST }) } = options
  const directory = await mkdtemp(join(tmpdir(), `crosslogic-${name}-`))
  // Workers of a server that root started are other users.
  await chmod(directory, 0o755)
  const reservation = await reservePort(name, HOST, 0)
  const { port } = reservation
  const { program, args, env = {} } = await options.prepare(directory, port)
  await reservation.release()
  const child = spawn(program, [...args], {
    cwd: directory,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let words = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      words = (words + bytes.toString()).slice(-KEPT_CHARACTERS)
    })
  }
  let hasEnded = false
  const ended = new Promise<void>((resolve) => {
    const end = (error?: unknown) => {
      if (error instanceof Error) words += error.message
      hasEnded = true
      resolve()
    }
    child.once('error', end)
    child.once('exit', () => {
      end()
    })
  })

  async function stop(): Promise<void> {
    const family = child.pid === undefined || hasEnded ? [] : descendants(child.pid)
    if (!hasEnded) child.kill('SIGTERM')
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })])
    for (const one of family) if (lives(one)) process.kill(one.pid, 'SIGKILL')
    if (!hasEnded) child.kill('SIGKILL')
    await ended
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }

  const deadline = performance.now() + startMs
  while (!(await isReady(port))) {
    if (hasEnded || performance.now() > deadline) {
      await stop()
      const why = hasEnded ? 'it ended' : `not ready after ${startMs} ms`
      throw new Error(`${name} did not start (${why}): ${lastLines(words)}`)
    }
    await sleep(20)
  }
  return { port, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop }
}

/** Programs begin with banners and end with what is wrong. */
function lastLines(words: string): string {
  return words.trim().split('\n').slice(-SHOWN_LINES).join('\n')
}

/** What a program prints, on either stream; an empty text when it cannot be run. */
export async function printed(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...args], { timeout: 20_000 })
    return stdout + stderr
  } catch {
    return ''
  }
}
