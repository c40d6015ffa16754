import { readdirSync, readFileSync } from 'node:fs'

/** Linux reports process times to user space in hundredths of a second, whatever the kernel's own tick is. */
export const MICROS_PER_TICK = 10_000

/** What /proc/PID/stat says of a process. */
export interface ProcessStat {
  readonly parentPid: number
  /** `Z`: it has ended and was not reaped yet. */
  readonly state: string
  /** User and system time of all its threads so far, in ticks of {@link MICROS_PER_TICK}; children excluded. */
  readonly cpuTicks: number
  /** Together with the pid it tells a process from a later one with the same pid. */
  readonly startTicks: string
}

/** Parses the text of /proc/PID/stat; null when it is not such a text. */
export function parseProcessStat(text: string): ProcessStat | null {
  // The name stands in brackets and may itself hold brackets and spaces.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .trimEnd()
    .split(' ')
  const [state, parent, utime, stime, start] = [fields[0], fields[1], fields[11], fields[12], fields[19]]
  if (state === undefined || start === undefined) return null
  const parentPid = Number(parent)
  const cpuTicks = Number(utime) + Number(stime)
  if (!Number.isInteger(parentPid) || !Number.isInteger(cpuTicks)) return null
  return { parentPid, state, cpuTicks, startTicks: start }
}

/** The stat of a process; null when there is none. */
export function readProcessStat(pid: number): ProcessStat | null {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return null
  }
}

/** CPU microseconds of a process's main thread so far. @throws when there is no such process */
export function readMainThreadMicros(pid: number): number {
  const stat = parseProcessStat(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8'))
  if (stat === null) throw new Error(`process ${pid} has no main thread`)
  return stat.cpuTicks * MICROS_PER_TICK
}

/** A process, told from a later one with the same id by its start time. */
export interface Kin {
  readonly pid: number
  readonly startTicks: string
  /** Its command line, or the title that it gave itself. */
  readonly title: string
}

/** Every process that descends from `root` at the moment, itself included. */
export function descendants(root: number): Kin[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? readProcessStat(pid) : null
    if (stat !== null) children.set(stat.parentPid, [...(children.get(stat.parentPid) ?? []), pid])
  }
  const found: Kin[] = []
  const queue = [root]
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    const stat = readProcessStat(pid)
    if (stat !== null) found.push({ pid, startTicks: stat.startTicks, title: titleOf(pid) })
    queue.push(...(children.get(pid) ?? []))
  }
  return found
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+/g, ' ').trim()
  } catch {
    return ''
  }
}

/** Whether the process still runs. */
export function lives({ pid, startTicks }: Kin): boolean {
  const stat = readProcessStat(pid)
  return stat !== null && stat.startTicks === startTicks && stat.state !== 'Z'
}

/** Sends a signal to a process, if it still lives. */
export function signalKin(kin: Kin, signal: NodeJS.Signals): void {
  if (!lives(kin)) return
  try {
    process.kill(kin.pid, signal)
  } catch (error) {
    // It has ended in this moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
