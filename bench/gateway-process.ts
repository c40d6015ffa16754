import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { SETTING_NAMES } from '../src/core/settings.js'
import { descendants, signalKin, type Kin } from './proc-stat.js'

const lineSchema = z.looseObject({ event: z.string().optional(), msg: z.string().optional() })
export type LogLine = z.infer<typeof lineSchema>
const readySchema = z.looseObject({ tenantPort: z.number().nullable(), adminPort: z.number() })
export type ReadyLine = z.infer<typeof readySchema>

export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number
  /** What it logged so far. */
  readonly lines: readonly LogLine[]
  readonly stderr: () => string
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** The next line that bears the event, also one that was printed already. @throws when none comes, with the log */
  line(event: string, count?: number): Promise<LogLine>
  ready(): Promise<ReadyLine>
  kill(signal: NodeJS.Signals): void
  /** Sends the signal to the whole process group, as a terminal does on Ctrl-C. */
  killGroup(signal: NodeJS.Signals): void
  /** Every process that descends from it at the moment, itself included. */
  family(): Kin[]
}

export interface GatewayProcessOptions {
  /** Program and arguments; default Node alone. */
  readonly command?: readonly string[]
  /** Settings are taken from here alone, other variables are inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
}

const LIMIT_MS = 60_000

/**
 * Starts the gateway as an operator would, in a process group of its own. Disposal kills it with all its
 * descendants.
 * @throws when the program cannot be executed
 */
export function startGatewayProcess(options: GatewayProcessOptions): GatewayProcess {
  const [command = process.execPath, ...args] = options.command ?? []
  const inherited = Object.entries(process.env).filter(([name]) => !SETTING_NAMES.includes(name))
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), ...options.env },
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${command} cannot be started`)
  const lines: LogLine[] = []
  let stderr = ''
  let hasExited = false
  createInterface({ input: child.stdout }).on('line', (text) => {
    if (text.startsWith('{')) lines.push(lineSchema.parse(JSON.parse(text)))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const exited = once(child, 'exit').then(() => {
    hasExited = true
    return { code: child.exitCode, signal: child.signalCode }
  })
  const seen: Kin[] = []
  const family = () => {
    const kin = descendants(pid)
    seen.push(...kin)
    return kin
  }

  async function line(event: string, count = 1): Promise<LogLine> {
    const deadline = performance.now() + LIMIT_MS
    for (;;) {
      const found = lines.filter((one) => one.event === event)[count - 1]
      if (found !== undefined) {
        family()
        return found
      }
      if (hasExited || performance.now() > deadline) {
        const printed = lines.map((one) => JSON.stringify(one)).join('\n')
        throw new Error(`no line with event ${event}; printed:\n${printed}\n${stderr}`)
      }
      await sleep(10)
    }
  }

  return {
    pid,
    lines,
    stderr: () => stderr,
    exited,
    line,
    ready: async () => readySchema.parse(await line('ready')),
    // Unlike process.kill it does nothing once the process has ended.
    kill: (signal) => void child.kill(signal),
    killGroup: (signal) => process.kill(-pid, signal),
    family,
    async [Symbol.asyncDispose]() {
      family()
      if (!hasExited) child.kill('SIGKILL')
      await exited
      for (const one of seen) signalKin(one, 'SIGKILL')
    },
  }
}
