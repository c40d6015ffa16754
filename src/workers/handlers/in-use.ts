import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { type Queryable, rowsOf } from '../../io/query.js'

const User = z.object({ what: z.string() })

/**
 * @param sql names what uses a row, at most 20, given its id
 * @throws GatewayError in_use with those names
 */
export async function requireUnused(db: Queryable, sql: string, thing: string, id: string): Promise<void> {
  const users = await rowsOf(db, sql, User, [id])
  if (users.length === 0) return
  const names = users.map(({ what }) => what).join(', ')
  throw new GatewayError('in_use', { message: `The ${thing} is still in use by ${names}.` })
}
