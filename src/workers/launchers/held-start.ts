import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import type { ExitStatus } from '../../io/child-process.js'
import { processFacts } from '../../io/process-identity.js'
import type { ProcessKey } from './process-group.js'

/**
 * The process waits for a word before it becomes the engine: its number is written down first. Without the word, when
 * who started it is gone, it ends. The script is constant; the engine's arguments are its parameters, which no shell
 * reads, and `exec` keeps number and start time.
 */
const WAIT_FOR_WORD = `
IFS= read -r word && [ "$word" = go ] || exit 125
[ "$1" = - ] || ulimit -d "$1" || exit 126
shift
exec "$@" </dev/null
`

export interface HeldCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** Gets standard output and standard error. */
  readonly outputFd: number
  readonly limits: {
    readonly nice: number
    readonly memory_gb: number | null
    readonly cpus: string | null
  }
}

/** A process that is there and has not begun. */
export interface HeldProcess extends ProcessKey {
  /** Settles when it has ended; never rejects. */
  readonly exited: Promise<ExitStatus>
  /** Lets it become what it was started for. */
  go(): void
  /** Ends it before it began. */
  abandon(): void
  /** Lets this program end without it. */
  unref(): void
}

/**
 * Starts a process in a session of its own that waits to become the command.
 * @throws when the system refuses one
 */
export async function startHeld(command: HeldCommand): Promise<HeldProcess> {
  const { nice, memory_gb: memoryGb, cpus } = command.limits
  const kibibytes = memoryGb === null ? '-' : String(Math.ceil(memoryGb * 1024 * 1024))
  const pinned = cpus === null ? [] : ['taskset', '-c', cpus]
  const child = spawn(
    '/bin/sh',
    ['-c', WAIT_FOR_WORD, 'launch', kibibytes, ...pinned, command.program, ...command.args],
    {
      cwd: command.cwd,
      env: command.env,
      detached: true,
      stdio: ['pipe', command.outputFd, command.outputFd],
    },
  )
  const exited = exitOf(child)
  await spawned(child)
  // A process that ended before the word breaks the pipe; its exit says why.
  const { pid, stdin } = child
  stdin?.on('error', () => {})
  const facts = pid === undefined ? null : processFacts(pid)
  if (pid === undefined || facts === null || stdin === null) {
    stdin?.destroy()
    throw new Error('the process ended before it began')
  }
  if (nice > 0) setPriority(pid, nice)
  return {
    pid,
    startTicks: facts.startTicks,
    exited,
    go: () => stdin.end('go\n'),
    abandon: () => stdin.destroy(),
    unref: () => {
      child.unref()
    },
  }
}

function exitOf(child: ChildProcess): Promise<ExitStatus> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal })
    })
    child.on('error', () => {
      // Without a number it never was.
      if (child.pid === undefined) resolve({ code: null, signal: null })
    })
  })
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
}
