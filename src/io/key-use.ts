import { loadQuery } from './postgres.js'
import type { Queryable } from './query.js'

const USED = loadQuery('api-keys-used')

/** Stores when keys were last used, right to the minute. No cached key becomes stale by it. */
export async function writeKeyUse(
  postgres: Queryable,
  uses: readonly { readonly keyId: string; readonly at: Date }[],
): Promise<void> {
  await postgres.query(USED, [uses.map(({ keyId }) => keyId), uses.map(({ at }) => at)])
}
