import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Logger } from './logger.js'
import { bootId, startTicks } from './process-identity.js'
import { StartError } from './start-error.js'

/** Start times tell a process from a later one with the same id; they count from boot, hence the boot's id. */
const rosterSchema = z.object({
  bootId: z.string(),
  processes: z.array(z.object({ pid: z.number(), startTicks: z.string() })),
})
type Roster = z.infer<typeof rosterSchema>

/** Neither throws. */
export interface ChildRoster {
  add(pid: number): void
  remove(pid: number): void
}

const rosterPath = (dataDir: string) => join(dataDir, 'processes.json')

/**
 * Keeps the list of a supervisor's children in the data directory, for a successor should it be killed. A list that
 * cannot be written, on a full disk say, is logged and no reason to stop what runs: the next change writes it whole.
 */
export function createChildRoster(dataDir: string, logger: Pick<Logger, 'error'>): ChildRoster {
  const roster: Roster = { bootId: bootId(), processes: [] }
  const save = () => {
    const path = rosterPath(dataDir)
    try {
      writeFileSync(`${path}.new`, JSON.stringify(roster), { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch (error) {
      logger.error({ event: 'roster_unwritten', path, error })
    }
  }
  save()
  return {
    add(pid) {
      const ticks = startTicks(pid)
      if (ticks === null) return
      roster.processes.push({ pid, startTicks: ticks })
      save()
    },
    remove(pid) {
      roster.processes = roster.processes.filter((known) => known.pid !== pid)
      save()
    },
  }
}

/** Children see their supervisor's channel close and end; one that does not is stuck. */
const OWN_END_MS = 5_000
const KILLED_END_MS = 5_000

/**
 * Waits until the children of a supervisor that was killed are gone, so that no two processes write one spool; ends
 * those that do not end by themselves.
 * @throws StartError when one outlives SIGKILL
 */
export async function awaitPredecessors(
  dataDir: string,
  logger: Pick<Logger, 'info' | 'warn'>,
): Promise<void> {
  const roster = readRoster(dataDir)
  if (roster?.bootId !== bootId()) return
  const living = () => roster.processes.filter(({ pid, startTicks: ticks }) => startTicks(pid) === ticks)
  if (living().length === 0) return
  logger.info({ event: 'awaiting_predecessor', pids: living().map(({ pid }) => pid) })
  if (await becomesTrue(() => living().length === 0, OWN_END_MS)) return
  for (const { pid } of living()) {
    logger.warn({ event: 'killing_predecessor', pid })
    process.kill(pid, 'SIGKILL')
  }
  if (await becomesTrue(() => living().length === 0, KILLED_END_MS)) return
  throw new StartError(
    `processes of an earlier gateway still run: ${living()
      .map(({ pid }) => pid)
      .join(', ')}`,
  )
}

async function becomesTrue(condition: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (!condition()) {
    if (performance.now() > deadline) return false
    await sleep(20)
  }
  return true
}

function readRoster(dataDir: string): Roster | null {
  try {
    return rosterSchema.parse(JSON.parse(readFileSync(rosterPath(dataDir), 'utf8')))
  } catch {
    return null // None was written yet, or not by us.
  }
}
