import { z } from 'zod'
import { loadQuery } from './postgres.js'
import { type Queryable, rowsOf, theRowOf } from './query.js'

const VERSION = loadQuery('changes-version')
const SINCE = loadQuery('changes-since')
const RECENT = loadQuery('changes-recent')
const PRUNE = loadQuery('changes-prune')

/** What changed, in terms of what a proxy holds. */
export interface Changes {
  /** The change counter's value that this goes up to. */
  readonly version: number
  /**
   * Whether this is all that changed. If not (the log does not reach back that far, or the database was restored),
   * everything that is held must be taken for stale.
   */
  readonly complete: boolean
  /** Models, nodes or routes changed: the snapshot is stale. */
  readonly catalogue: boolean
  /** SHA-256 digests of keys that were made, changed or revoked. */
  readonly keyDigests: readonly Buffer[]
  /** Tenants all of whose keys are stale. */
  readonly tenantIds: readonly string[]
  /** When each change of a key or tenant was committed, by the database's clock in Unix milliseconds. */
  readonly accessChangedAt: readonly number[]
}

/** A change, or the one row of nulls that carries the version when there is none. */
const ChangeRow = z.object({
  current_version: z.coerce.number(),
  version: z.coerce.number().nullable(),
  topic: z.enum(['key', 'tenant', 'catalogue']).nullable(),
  key_digest: z.instanceof(Buffer).nullable(),
  tenant_id: z.string().nullable(),
  at: z.date().nullable(),
})

/** The change counter's value: 0 in a new database, one more with each change, without gaps in the order of commits. */
export async function readVersion(postgres: Queryable): Promise<number> {
  const row = await theRowOf(postgres, VERSION, z.object({ version: z.coerce.number() }))
  return row.version
}

/** What changed after a version. */
export async function changesSince(postgres: Queryable, version: number): Promise<Changes> {
  const rows = await rowsOf(postgres, SINCE, ChangeRow, [version])
  const changes = collect(rows)
  // Versions have no gaps, so the number of rows tells whether the log still reached back far enough.
  const logged = rows.filter((row) => row.version !== null).length
  return { ...changes, complete: changes.version - version === logged }
}

/** What changed lately, for a proxy that starts with what it held before. Changes of before are not in it. */
export async function recentChanges(postgres: Queryable, seconds: number): Promise<Changes> {
  return { ...collect(await rowsOf(postgres, RECENT, ChangeRow, [seconds])), complete: false }
}

/** Drops log rows older than that. */
export async function pruneChanges(postgres: Queryable, seconds: number): Promise<void> {
  await postgres.query(PRUNE, [seconds])
}

function collect(rows: readonly z.infer<typeof ChangeRow>[]): Omit<Changes, 'complete'> {
  const [first] = rows
  if (first === undefined) throw new Error('the change counter has no row')
  const digests = rows.flatMap((row) => (row.key_digest === null ? [] : [row.key_digest]))
  return {
    version: first.current_version,
    catalogue: rows.some((row) => row.topic === 'catalogue'),
    keyDigests: digests,
    accessChangedAt: rows.flatMap(({ topic, at }) =>
      at === null || topic === 'catalogue' ? [] : [at.getTime()],
    ),
    tenantIds: [...new Set(rows.flatMap((row) => (row.tenant_id === null ? [] : [row.tenant_id])))],
  }
}
