import { readFile, readdir, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process runs; one that has ended and was not yet reaped does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const state = /\) (\S)/.exec(stat)?.[1]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Long enough for a machine that has twenty things to do at once: who waits for nothing waits no longer for it. */
const PATIENCE_MS = 60_000

/** Waits until a condition holds. @throws after the time given, with what was waited for */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(20)
  }
}

/** The processes whose working directory lies in a folder: what somebody started there and forgot. */
export async function processesIn(folder: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => [])
  const found: number[] = []
  for (const pid of entries.map(Number).filter(Number.isInteger)) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    if (`${cwd}/`.startsWith(`${folder}/`)) found.push(pid)
  }
  return found
}
