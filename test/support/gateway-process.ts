import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { SETTING_NAMES } from '../../src/core/settings.js'

const lineSchema = z.looseObject({ event: z.string().optional(), msg: z.string().optional() })
export type LogLine = z.infer<typeof lineSchema>
const readySchema = z.looseObject({ tenantPort: z.number().nullable(), adminPort: z.number() })

/** A data directory of its own, deleted in the end. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'crosslogic-test-'))
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true })
    },
  }
}

export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number
  readonly lines: readonly LogLine[]
  readonly stderr: () => string
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** The next line that bears the event, also one that was printed already. */
  line(event: string, count?: number): Promise<LogLine>
  ready(): Promise<z.infer<typeof readySchema>>
  kill(signal: NodeJS.Signals): void
  /** Sends the signal to the whole process group, as a terminal does on Ctrl-C. */
  killGroup(signal: NodeJS.Signals): void
  /** Every process that descends from it at the moment, itself included. */
  family(): Kin[]
}

export interface GatewayProcessOptions {
  readonly command?: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
}

const LIMIT_MS = 60_000

/** Starts the gateway as an operator would; in the end it is killed with all its descendants. */
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
  assert.ok(pid !== undefined, `${command} cannot be started`)
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
        assert.fail(
          `no line with event ${event}; printed:\n${lines.map((one) => JSON.stringify(one)).join('\n')}\n${stderr}`,
        )
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
    kill: (signal) => process.kill(pid, signal),
    killGroup: (signal) => process.kill(-pid, signal),
    family,
    async [Symbol.asyncDispose]() {
      family()
      if (!hasExited) child.kill('SIGKILL')
      await exited
      for (const one of seen) if (lives(one)) process.kill(one.pid, 'SIGKILL')
    },
  }
}

/** A process, told from a later one with the same id by its start time. */
export interface Kin {
  readonly pid: number
  readonly startTicks: string
  readonly title: string
}

function statOf(pid: number): { parent: number; state: string; startTicks: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', parent: Number(fields[1]), startTicks: fields[19] ?? '' }
  } catch {
    return null
  }
}

function descendants(root: number): Kin[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? statOf(pid) : null
    if (stat !== null) children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid])
  }
  const found: Kin[] = []
  const queue = [root]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const stat = statOf(pid)
    if (stat !== null) found.push({ pid, startTicks: stat.startTicks, title: titleOf(pid) })
    queue.push(...(children.get(pid) ?? []))
  }
  return found
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+/g, ' ').trim()
  } catch {
    return ''
  }
}

export function lives({ pid, startTicks }: Kin): boolean {
  const stat = statOf(pid)
  return stat !== null && stat.startTicks === startTicks && stat.state !== 'Z'
}

/** Resolves when none of them lives; fails, naming those that do, after `withinMs`. */
export async function allGone(kin: readonly Kin[], withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (kin.some(lives)) {
    if (performance.now() > deadline) {
      assert.fail(
        `still alive: ${kin
          .filter(lives)
          .map(({ pid, title }) => `${pid} ${title}`)
          .join(', ')}`,
      )
    }
    await sleep(20)
  }
}
