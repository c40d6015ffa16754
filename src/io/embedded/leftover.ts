import { readFile, readlink, realpath } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StopStep } from '../child-process.js'

export interface Leftover {
  /** Its first line is the process id. */
  readonly pidFile: string
  /** The working directory of the process, which tells it from a stranger that got the same id. */
  readonly folder: string
  /** Names of the program, as the kernel knows them. */
  readonly programs: readonly string[]
}

/** The kernel cuts the names of processes. */
const KERNEL_NAME_LENGTH = 15

/**
 * The id of a store that an earlier, killed gateway left running in a folder; null when there is none. Needs
 * Linux's /proc; elsewhere it finds none, and the engine's own lock then refuses to start a second time.
 */
export async function findLeftover({ pidFile, folder, programs }: Leftover): Promise<number | null> {
  const content = await readFile(pidFile, 'utf8').catch(() => '')
  const pid = Number.parseInt(content, 10)
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return null
  try {
    const [cwd, name, wanted] = await Promise.all([
      readlink(`/proc/${pid}/cwd`),
      readFile(`/proc/${pid}/comm`, 'utf8'),
      realpath(folder),
    ])
    const known = programs.some((program) => program.slice(0, KERNEL_NAME_LENGTH) === name.trimEnd())
    return cwd === wanted && known ? pid : null
  } catch {
    return null // It has ended.
  }
}

/**
 * Stops what an earlier gateway left in a folder and waits until it is gone.
 * @returns whether there was one
 * @throws when it outlives every step
 */
export async function stopLeftover(leftover: Leftover, steps: readonly StopStep[]): Promise<boolean> {
  const pid = await findLeftover(leftover)
  if (pid === null) return false
  for (const [signal, waitMs] of steps) {
    sendSignal(pid, signal)
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline) {
      if ((await findLeftover(leftover)) !== pid) return true
      await sleep(25)
    }
  }
  throw new Error(`process ${pid} still uses ${leftover.folder} and could not be stopped`)
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
