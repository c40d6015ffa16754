import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel says of a process; needs Linux's /proc. */
export interface ProcessFacts {
  readonly pid: number
  /** Clock ticks since boot at which it started: with the boot's id they tell it from a later one of the same number. */
  readonly startTicks: string
  readonly parent: number
  readonly group: number
  readonly session: number
}

/** Null when it is gone or a zombie, or without /proc. */
export function processFacts(pid: number): ProcessFacts | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; behind it state (3), ppid (4), pgrp (5), session (6), num_threads (20), starttime (22).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie whose other threads still end holds its ports and files until they have.
    const ended = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1)
    const startTicks = fields[19]
    if (ended || startTicks === undefined) return null
    const [, parent, group, session] = fields.map(Number)
    if (parent === undefined || group === undefined || session === undefined) return null
    return { pid, startTicks, parent, group, session }
  } catch {
    return null
  }
}

/** When a process started, in clock ticks since boot; null when it is gone or a zombie, or without /proc. */
export function startTicks(pid: number): string | null {
  return processFacts(pid)?.startTicks ?? null
}

/** The present boot of the machine; empty without /proc. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** Every process that this one can see; none without /proc. */
export function processTable(): ProcessFacts[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processFacts(Number(name)))
    .filter((facts) => facts !== null)
}
