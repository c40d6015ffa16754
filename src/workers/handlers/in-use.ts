import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { type Queryable, rowsOf } from '../../io/query.js'

const User = z.object({ kind: z.string(), name: z.string() })

/**
 * Sees to it that a query of what uses a thing, as rows of kind and name, has no row.
 * @param what how to name the thing in a message: `region 'us-east-1'`
 * @throws GatewayError in_use that says what uses it
 */
export async function requireUnused(
  db: Queryable,
  query: string,
  values: unknown[],
  what: string,
): Promise<void> {
  const users = await rowsOf(db, query, User, values)
  if (users.length === 0) return
  const names = users.map(({ kind, name }) => `${kind} '${name}'`).join(', ')
  throw new GatewayError('in_use', { message: `The ${what} is still in use by ${names}.` })
}
