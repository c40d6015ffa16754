/**
 * A client of the gateway's APIs for TypeScript, `crosslogic-gateway/client`. Its methods and their types are made
 * from the contract (`npm run generate`); it needs nothing but `fetch`.
 */
import { ADMIN_OPERATIONS, type AdminApi } from './admin-api.js'
import { call, type ClientOptions, type Connection, type Operation } from './call.js'
import { TENANT_OPERATIONS, type TenantApi } from './tenant-api.js'

export { ApiError } from './api-error.js'
export type { ApiReply, CallOptions, ClientOptions, Conditional, Repeatable } from './call.js'
export type { ErrorCode } from './error-code.js'
export type * as Admin from './admin-api.js'
export type * as Tenant from './tenant-api.js'
export type { AdminApi } from './admin-api.js'
export type { TenantApi } from './tenant-api.js'

export interface AdminClientOptions extends ClientOptions {
  /** The root token, or a named one. */
  readonly adminToken: string
}

export interface TenantClientOptions extends ClientOptions {
  /** `clsk_live_…` or `clsk_test_…` */
  readonly apiKey: string
}

/** A client of the admin port. Its methods throw {@link ApiError}; see {@link call} for what else. */
export function createAdminClient({ adminToken, ...options }: AdminClientOptions): AdminApi {
  // The operations and their types are generated together, of the same declarations.
  return methodsOf(ADMIN_OPERATIONS, { ...options, headers: { 'x-admin-token': adminToken } }) as AdminApi
}

/** A client of the tenant port beside inference, for which any OpenAI client serves. Throws as the other one does. */
export function createTenantClient({ apiKey, ...options }: TenantClientOptions): TenantApi {
  return methodsOf(TENANT_OPERATIONS, {
    ...options,
    headers: { authorization: `Bearer ${apiKey}` },
  }) as TenantApi
}

type Operations = Readonly<Record<string, Readonly<Record<string, Operation>>>>

/** A function for each operation, by resource and name. */
function methodsOf(operations: Operations, connection: Connection): unknown {
  const methods = (resource: Readonly<Record<string, Operation>>) =>
    Object.fromEntries(
      Object.entries(resource).map(([name, operation]) => [
        name,
        (request: Parameters<typeof call>[2]) => call(connection, operation, request),
      ]),
    )
  return Object.fromEntries(Object.entries(operations).map(([name, resource]) => [name, methods(resource)]))
}
