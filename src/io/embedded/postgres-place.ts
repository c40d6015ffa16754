import { createHash } from 'node:crypto'
import { access, chmod, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Owner } from './postgres-owner.js'
import { canEnter } from './postgres-owner.js'

/** Used by root alone, where user postgres cannot enter the data folder itself. */
const SYSTEM_FOLDER = '/var/lib/crosslogic-gateway'

export interface PostgresPlace {
  /** The database cluster (Postgres's data directory), which may not exist yet. */
  readonly cluster: string
  /** Where a copy of the programs may be kept. */
  readonly copyFolder: string
}

/**
 * Decides where the data lies: inside `dataDir`, or, where the owner cannot enter that (below /root, or in a
 * private folder), in a folder under /var/lib that is named by a hash of `dataDir`.
 * @param dataDir absolute
 * @param isNew whether `dataDir` belongs to no cluster yet
 * @throws when `dataDir` holds a cluster which the owner can no longer reach
 */
export async function placePostgres(place: {
  dataDir: string
  owner: Owner | undefined
  isNew: boolean
  logger?: Logger | undefined
}): Promise<PostgresPlace> {
  const { dataDir, owner, isNew, logger } = place
  const inside = join(dataDir, 'cluster')
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16)
  const outsideFolder = join(SYSTEM_FOLDER, hash)
  const outside = join(outsideFolder, 'cluster')

  const relocated = owner !== undefined && (await exists(outside))
  if (relocated && isNew) {
    // The data folder was removed to begin anew. Old data is never deleted here, and never comes back by itself.
    const aside = `${outside}.${Date.now()}`
    await rename(outside, aside)
    logger?.warn(
      { event: 'postgres_data_set_aside', path: aside },
      'the data folder is new; old data set aside',
    )
  }
  const staysOutside = relocated && !isNew
  if (!staysOutside && (await canEnter(owner, dataDir))) return { cluster: inside, copyFolder: dataDir }
  if (owner === undefined) throw new Error(`${dataDir} cannot be entered; choose another DATA_DIR`)
  if (await exists(inside)) {
    throw new Error(
      `${inside} holds a database that user postgres can no longer reach; let it enter every folder above (chmod o+x), or set DATABASE_URL`,
    )
  }
  await mkdir(outsideFolder, { recursive: true })
  for (const folder of [SYSTEM_FOLDER, outsideFolder]) await chmod(folder, 0o755)
  return { cluster: outside, copyFolder: SYSTEM_FOLDER }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
