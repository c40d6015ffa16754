import { GatewayError } from '../../core/errors.js'

/** The state of a credential that can be revoked and can expire. */
export function statusOf(
  row: { readonly revoked_at: Date | null; readonly expires_at: Date | null },
  now: Date,
): 'active' | 'revoked' | 'expired' {
  if (row.revoked_at !== null) return 'revoked'
  return row.expires_at !== null && row.expires_at <= now ? 'expired' : 'active'
}

/** When a new credential is to expire; null: never. @throws GatewayError invalid_parameter when that is over already */
export function expiryOf(expiresAt: string | null, now: Date): Date | null {
  if (expiresAt === null) return null
  const date = new Date(expiresAt)
  if (date > now) return date
  throw new GatewayError('invalid_parameter', {
    param: 'expires_at',
    message: "Invalid 'expires_at': it lies in the past.",
  })
}
