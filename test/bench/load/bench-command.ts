import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../../bench/cli.js', import.meta.url))

export interface CommandResult {
  readonly code: unknown
  readonly output: string
  readonly errors: string
}

/** Runs `npm run bench -- …` to its end. */
export async function runBench(args: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const closed: unknown[] = await once(child, 'close')
  return { code: closed[0], output, errors }
}
