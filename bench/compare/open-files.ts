import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

/** The hard limit of open files out of the text of /proc/PID/limits. @throws when it has none */
export function parseOpenFiles(text: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1]
  if (hard === undefined) throw new Error('/proc/PID/limits has no line Max open files')
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
}

/** How many files a process that this one starts may open: Node raises its own soft limit to the hard one. */
export function openFilesLimit(): number {
  return parseOpenFiles(readFileSync('/proc/self/limits', 'utf8'))
}

/** Raises the limit for this process and those that it starts, where it may, which root alone can. */
export async function raiseOpenFiles(wanted: number): Promise<void> {
  if (openFilesLimit() >= wanted) return
  const args = ['--pid', String(process.pid), `--nofile=${wanted}:${wanted}`]
  // Who may not, or has no prlimit, stays with what there is.
  await promisify(execFile)('prlimit', args).catch(() => {})
}
