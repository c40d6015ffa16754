import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { findKeys } from '../../src/io/key-lookup.js'
import type { Queryable } from '../../src/io/query.js'

/** The API key of one digest; null: there is none that works. */
export async function findKey(postgres: Queryable, digest: Buffer): Promise<ResolvedKey | null> {
  return (await findKeys(postgres, [digest])).get(digest.toString('hex')) ?? null
}
