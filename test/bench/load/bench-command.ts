import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../../bench/cli.js', import.meta.url))
/** A key of whoever runs the tests belongs to none of them. */
const ENV = { ...process.env, CROSSLOGIC_API_KEY: '', OPENAI_API_KEY: '' }

export interface CommandResult {
  readonly code: unknown
  readonly output: string
  readonly errors: string
}

export interface RunningCommand {
  readonly child: ChildProcess
  /** What it wrote to standard error so far. */
  errors(): string
  readonly closed: Promise<CommandResult>
}

/** Starts `npm run bench -- …`. */
export function startBench(args: readonly string[]): RunningCommand {
  const child = spawn(process.execPath, [CLI, ...args], { env: ENV, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  return {
    child,
    errors: () => errors,
    closed: once(child, 'close').then(() => ({ code: child.exitCode, output, errors })),
  }
}

/** Runs it to its end. */
export function runBench(args: readonly string[]): Promise<CommandResult> {
  return startBench(args).closed
}
