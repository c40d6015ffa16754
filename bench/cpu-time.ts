import { readFileSync } from 'node:fs'
import { descendants, MICROS_PER_TICK, readProcessStat } from './proc-stat.js'

/** CPU time of a family of processes so far, by process; made by {@link readCpuTimes}. */
export type CpuTimes = ReadonlyMap<string, { readonly group: string; readonly ticks: number }>

/** Reads the CPU time of a process and all that descend from it; `groupOf` names the group by a process's title. */
export function readCpuTimes(rootPid: number, groupOf: (title: string) => string): CpuTimes {
  const times = new Map<string, { group: string; ticks: number }>()
  for (const { pid, startTicks, title } of descendants(rootPid)) {
    const stat = readProcessStat(pid)
    if (stat?.startTicks !== startTicks) continue
    times.set(`${pid} ${startTicks}`, { group: groupOf(title), ticks: stat.cpuTicks })
  }
  return times
}

/**
 * CPU microseconds that each group used between two readings. A process that began in between counts from its
 * start; what one that ended in between used since the first reading is not known and left out.
 */
export function cpuMicrosBetween(before: CpuTimes, after: CpuTimes): Map<string, number> {
  const used = new Map<string, number>()
  for (const [key, { group, ticks }] of after) {
    const micros = (ticks - (before.get(key)?.ticks ?? 0)) * MICROS_PER_TICK
    used.set(group, (used.get(group) ?? 0) + micros)
  }
  return used
}

/** Time of all processors of the machine so far, in ticks. */
export interface MachineTimes {
  readonly busy: number
  readonly total: number
  /** What processes used: `busy` without interrupts, which nobody is charged for. */
  readonly processes: number
}

/** Parses the first line of /proc/stat. @throws when it is not such a text */
export function parseMachineTimes(text: string): MachineTimes {
  const [line = ''] = text.split('\n', 1)
  const [name, ...fields] = line.trim().split(/\s+/)
  // user nice system idle iowait irq softirq steal; guest times are part of user already.
  const ticks = fields.slice(0, 8).map(Number)
  const [user = 0, nice = 0, system = 0, idle, ioWait = 0] = ticks
  if (name !== 'cpu' || idle === undefined || ticks.some(Number.isNaN)) {
    throw new Error('/proc/stat does not begin with the times of all processors')
  }
  const total = ticks.reduce((sum, one) => sum + one, 0)
  return { total, busy: total - idle - ioWait, processes: user + nice + system }
}

/** Reads how busy the machine was so far. */
export function readMachineTimes(): MachineTimes {
  return parseMachineTimes(readFileSync('/proc/stat', 'utf8'))
}

/** Share of the machine that was in use between two readings: 0 to 1. */
export function busyShare(before: MachineTimes, after: MachineTimes): number {
  const total = after.total - before.total
  return total === 0 ? 0 : (after.busy - before.busy) / total
}
