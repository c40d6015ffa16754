import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { OrchestrationEvent } from '../../core/orchestration/orchestration-event.js'
import { loadQuery } from '../../io/postgres.js'
import { rowsOf } from '../../io/query.js'
import type { Launcher } from '../launchers/launcher.js'
import { installationId } from './installation.js'

const KNOWN = loadQuery('machines-known')

export interface OrphansOptions {
  readonly postgres: Pool
  readonly launcher: Launcher
  /** A machine that no node knows of is removed after this. */
  readonly graceMs: number
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** For metrics. */
  readonly record: (event: OrchestrationEvent) => void
}

/**
 * Machines at a provider that no node knows of: what was launched before a restore of the database, or was not gone when it
 * seemed so. They are removed after a grace time, in which somebody may still find that they are wanted.
 */
export function createOrphanWatch({ postgres, launcher, graceMs, logger, now, record }: OrphansOptions) {
  /** When each was first seen. */
  const seen = new Map<string, number>()
  /** Those that were asked to go. */
  const removed = new Set<string>()

  async function remove(name: string): Promise<void> {
    await launcher.remove(name)
    if (removed.has(name)) return
    removed.add(name)
    record({ event: 'orphan_removed', launcher: launcher.kind })
    logger.warn({ event: 'orphan_removed', machine: name })
  }

  return {
    /** Looks once. @throws when the launcher or Postgres does not answer */
    async look(): Promise<void> {
      // Asked before the rows are read: a row comes before its machine.
      const machines = await launcher.machines(await installationId(postgres))
      const known = new Set(
        (await rowsOf(postgres, KNOWN, z.object({ cluster_name: z.string() }), [launcher.kind])).map(
          (row) => row.cluster_name,
        ),
      )
      const orphans = machines.filter((name) => !known.has(name))
      for (const name of seen.keys()) if (!orphans.includes(name)) seen.delete(name)
      for (const name of removed) if (!orphans.includes(name)) removed.delete(name)
      const failures: unknown[] = []
      for (const name of orphans) {
        const since = seen.get(name)
        if (since === undefined) {
          seen.set(name, now())
          logger.warn({ event: 'orphan_found', machine: name, removedAfterSeconds: graceMs / 1_000 })
        }
        if (now() - (since ?? now()) < graceMs) continue
        // One that cannot be removed holds up none of the others.
        await remove(name).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}
