import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** How a process ended: its exit code, or the signal that ended it. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child in a process group of its own, so that a Ctrl-C on the terminal does not reach it. */
export interface RunningProcess {
  readonly pid: number
  /** Settles when the process has ended; never rejects. */
  readonly exited: Promise<ExitStatus>
  readonly hasExited: boolean
  /** The end of what it printed, for error messages. */
  lastLines(): string
  kill(signal: NodeJS.Signals): void
}

export interface StartProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Who it runs as; default this process's own user. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
  /** Written to its stdin, which is then closed. */
  readonly input?: string
  /** Gets each line that it prints. */
  readonly onLine?: ((line: string) => void) | undefined
}

const KEPT_LINES = 20

/**
 * Starts a program in its own process group.
 * @throws when the program cannot be executed
 */
export async function startProcess(options: StartProcessOptions): Promise<RunningProcess> {
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...options.owner,
  })
  const running = watchProcess(child, options.onLine)
  await once(child, 'spawn')
  // A program that ends at once breaks the pipe; its exit status says why.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input)
  return running
}

/** Follows a child that was spawned or forked with its output piped. */
export function watchProcess(child: ChildProcess, onLine?: (line: string) => void): RunningProcess {
  const lines: string[] = []
  for (const output of [child.stdout, child.stderr]) {
    if (!output) continue
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line)
      if (lines.length > KEPT_LINES) lines.shift()
      onLine?.(line)
    })
  }
  let hasExited = false
  const exited = new Promise<ExitStatus>((resolve) => {
    // 'close' comes after the output has been read to its end, but a grandchild may hold the pipes open.
    child.once('exit', (code, signal) => {
      hasExited = true
      const done = () => {
        resolve({ code, signal })
      }
      child.once('close', done)
      setTimeout(done, 500).unref()
    })
    child.on('error', () => {
      // Without a pid it never started. Later errors are orders that could not be delivered: it is ending.
      if (child.pid !== undefined) return
      hasExited = true
      resolve({ code: null, signal: null })
    })
  })
  return {
    get pid() {
      return child.pid ?? -1
    },
    exited,
    get hasExited() {
      return hasExited
    },
    lastLines: () => lines.join('\n'),
    kill: (signal) => {
      child.kill(signal)
    },
  }
}

/** A signal and how long the process then gets to end, in milliseconds. */
export type StopStep = readonly [signal: NodeJS.Signals, waitMs: number]

/** Sends the signals in turn until the process has ended. The last step should be SIGKILL. */
export async function stopProcess(running: RunningProcess, steps: readonly StopStep[]): Promise<void> {
  for (const [signal, waitMs] of steps) {
    if (running.hasExited) break
    running.kill(signal)
    const timer = new AbortController()
    await Promise.race([
      running.exited,
      sleep(waitMs, undefined, { signal: timer.signal, ref: false }).catch(() => {}),
    ])
    timer.abort()
  }
  await running.exited
}

/** `exit code 1`, `signal SIGKILL`. */
export function describeExit({ code, signal }: ExitStatus): string {
  return signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`
}
