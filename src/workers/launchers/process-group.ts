import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ProcessFacts, processFacts, processTable } from '../../io/process-identity.js'

/** The environment variable by which the processes of a node are known, whatever became of their parents. */
export const NODE_MARK = 'CROSSLOGIC_NODE_FOLDER'

/** What is known of a node's processes. Its first one leads a session and a process group of its own. */
export interface NodeGroup {
  /** Absolute path of the node's folder, the value of {@link NODE_MARK}. */
  readonly folder: string
  /** Null: none was ever started, or it is not known. */
  readonly leader: ProcessKey | null
  /** Those that were seen earlier. */
  readonly seen: readonly ProcessKey[]
}

/** A process, not to be taken for a later one of the same number. */
export interface ProcessKey {
  readonly pid: number
  readonly startTicks: string
}

/**
 * The living processes of a node: those that are known, those that bear its mark, and from these on all of its session
 * and all descendants. The number of a session is not given out again while it has a living member, so one that is known
 * vouches for the others; a stranger that merely has the number of an ended process is none of them.
 */
export function livingMembers(group: NodeGroup, look: 'closely' | 'quickly' = 'closely'): ProcessFacts[] {
  const known = group.leader === null ? group.seen : [group.leader, ...group.seen]
  const table = processTable()
  const ours = new Set<ProcessFacts>(
    table.filter(
      (facts) =>
        known.some(({ pid, startTicks }) => pid === facts.pid && startTicks === facts.startTicks) ||
        (look === 'closely' && bearsMark(facts.pid, group.folder)),
    ),
  )
  for (let size = -1; size < ours.size;) {
    size = ours.size
    const members = [...ours]
    const pids = new Set(members.map(({ pid }) => pid))
    const sessions = new Set(
      members.map(({ session }) => session).filter((id) => id === group.leader?.pid || pids.has(id)),
    )
    for (const facts of table) if (pids.has(facts.parent) || sessions.has(facts.session)) ours.add(facts)
  }
  // The gateway's own session is never a node's, though the mark may have got into its environment.
  const own = processFacts(process.pid)
  return [...ours].filter(({ session }) => session !== own?.session)
}

function bearsMark(pid: number, folder: string): boolean {
  return environmentOf(pid).includes(`${NODE_MARK}=${folder}`)
}

/** `NAME=value` of each variable with which a process began; none of one that has ended, or is another user's. */
export function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}

export interface EndSteps {
  readonly signal: NodeJS.Signals
  /** From the signal to SIGKILL. */
  readonly graceMs: number
}

const LOOK_AGAIN_MS = 50
/** What the rest gets once the process that leads it has ended. */
const REST_MS = 2_000
const KILLED_END_MS = 10_000

/**
 * Ends every process of a node: the signal to the one that leads it, to the rest once that has ended, then SIGKILL to
 * whatever is left. Resolves when none lives, or when `interrupt` aborts.
 * @throws when one outlives SIGKILL
 */
export async function endGroup(group: NodeGroup, steps: EndSteps, interrupt?: AbortSignal): Promise<void> {
  const isLeader = ({ pid, startTicks }: ProcessFacts) =>
    pid === group.leader?.pid && startTicks === group.leader.startTicks
  // Whose parent ends on the way can be known only by having been seen.
  const seen = new Map(group.seen.map((key) => [`${key.pid}/${key.startTicks}`, key]))
  const look = () => {
    const living = livingMembers({ ...group, seen: [...seen.values()] })
    for (const { pid, startTicks } of living) seen.set(`${pid}/${startTicks}`, { pid, startTicks })
    return living
  }
  const isLeft = () => interrupt?.aborted ?? false
  let deadline = performance.now() + steps.graceMs
  let asked = false
  let restAsked = false
  for (;;) {
    const living = look()
    if (living.length === 0 || isLeft()) return
    const leader = living.find(isLeader)
    if (leader === undefined && !restAsked) {
      restAsked = true
      deadline = Math.min(deadline, performance.now() + REST_MS)
      for (const member of living) signalProcess(member, steps.signal)
    } else if (leader !== undefined && !asked) {
      asked = true
      signalProcess(leader, steps.signal)
    }
    if (performance.now() >= deadline) break
    await sleep(LOOK_AGAIN_MS)
  }
  const killDeadline = performance.now() + KILLED_END_MS
  for (;;) {
    const living = look()
    if (living.length === 0 || isLeft()) return
    if (performance.now() >= killDeadline) {
      throw new Error(`processes outlive SIGKILL: ${living.map(({ pid }) => pid).join(', ')}`)
    }
    // One by one and again until none is left: also those that were forked while it looked.
    for (const member of living) signalProcess(member, 'SIGKILL')
    await sleep(LOOK_AGAIN_MS)
  }
}

function signalProcess({ pid, startTicks }: ProcessKey, signal: NodeJS.Signals): void {
  if (processFacts(pid)?.startTicks !== startTicks) return
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/**
 * Whether one of the processes listens on a TCP port of this machine: somebody else may have taken it between its choice
 * and the engine's start. Null: there is no way to know, without Linux's /proc.
 */
export function listenOn(pids: readonly number[], port: number): boolean | null {
  const sockets = listeningSockets(port)
  if (sockets === null) return null
  return pids.some((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)))
    } catch {
      return false
    }
  })
}

/** `socket:[inode]` of each. */
function listeningSockets(port: number): Set<string> | null {
  const sockets = new Set<string>()
  let tables = 0
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text: string
    try {
      text = readFileSync(path, 'utf8')
      tables++
    } catch {
      continue
    }
    for (const line of text.split('\n')) {
      // Number, local address, remote address, state (0A: listening), …, inode (10th).
      const fields = line.trim().split(/\s+/)
      const local = fields[1]?.split(':')[1]
      if (fields[3] === '0A' && local !== undefined && parseInt(local, 16) === port) {
        sockets.add(`socket:[${fields[9] ?? ''}]`)
      }
    }
  }
  return tables === 0 ? null : sockets
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
