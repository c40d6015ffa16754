import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { rowOf, rowsOf } from '../../io/query.js'
import type { HandlerContext } from './handler.js'

const OWN = loadQuery('api-keys-own')
const NAMES = loadQuery('api-keys-names')

/**
 * The API key that a tenant's usage is filtered by, revoked or not.
 * @throws GatewayError not_found for another tenant's, as for one that never was
 */
export async function requireOwnKey(
  { db }: HandlerContext,
  tenantId: string,
  keyId: string | undefined,
): Promise<void> {
  if (keyId === undefined) return
  if ((await rowOf(db, OWN, z.object({ id: z.string() }), [keyId, tenantId])) !== null) return
  throw new GatewayError('not_found', { param: 'api_key_id', message: `There is no API key '${keyId}'.` })
}

/** Names of some of a tenant's API keys by their ids. */
export async function keyNames(
  { db }: HandlerContext,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await rowsOf(db, NAMES, z.object({ id: z.string(), name: z.string() }), [tenantId, ids])
  return new Map(rows.map(({ id, name }) => [id, name]))
}
