import { readFileSync } from 'node:fs'
import { proxyPids, type Contender } from './contenders/contender.js'

export const BYTES_PER_KB = 1024

/** Resident bytes out of the text of /proc/PID/smaps_rollup. @throws when it has none */
export function parseResidentBytes(text: string): number {
  const kilobytes = /^Rss:\s+(\d+) kB$/m.exec(text)?.[1]
  if (kilobytes === undefined) throw new Error('/proc/PID/smaps_rollup has no line Rss')
  return Number(kilobytes) * BYTES_PER_KB
}

/** Memory of a contender's proxy processes that is in RAM: what they hold in user space, in bytes. */
export function residentBytes(contender: Contender): number {
  return proxyPids(contender)
    .map((pid) => parseResidentBytes(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')))
    .reduce((sum, bytes) => sum + bytes, 0)
}

/** `12.3 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / BYTES_PER_KB / BYTES_PER_KB).toFixed(1)} MB`
}
