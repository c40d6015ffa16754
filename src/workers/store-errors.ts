import { GatewayError } from '../core/errors.js'

interface StoreError {
  /** SQLSTATE, ClickHouse's number, or Node's code of a failed connection. */
  readonly code: string
  readonly constraint: string
  readonly message: string
}

/** What a unique index that was hit says about the request. */
const TAKEN: Readonly<Record<string, { param: string; message: string }>> = {
  tenants_email: { param: 'email', message: 'A tenant with this email exists.' },
  environments_name: { param: 'name', message: 'The tenant has an environment of this name.' },
  model_names_pkey: { param: 'name', message: 'A model has this name or alias.' },
  regions_provider_code_key: { param: 'code', message: 'The provider has a region with this code.' },
  instance_types_provider_name_key: {
    param: 'name',
    message: 'The provider has an instance type of this name.',
  },
  admin_tokens_name: { param: 'name', message: 'An admin token of this name exists.' },
  nodes_cluster_name: { param: 'cluster_name', message: 'A node with this cluster_name exists.' },
}

/** What a foreign key that was hit says about the request: who came first decides. */
const REFERRING: Readonly<Record<string, string>> = {
  deployments_region_id_fkey: 'region',
  deployments_instance_type_id_fkey: 'instance_type',
  nodes_instance_type_id_fkey: 'instance_type',
}

/** PostgreSQL: characters that it cannot hold, and text that it cannot read as JSON for want of a character. */
const UNSTORABLE = /^(22021|22P05|22P02)$/
/** No connection, the server is going down or coming up, too many connections, or no answer in time. */
const UNREACHABLE =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|08...|53...|57P0.|57014|25P0[23])$/
/** How `pg` and Node word the same where they give no code. */
const UNREACHABLE_MESSAGE =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|socket hang up/i
/**
 * ClickHouse's codes (its src/Common/ErrorCodes.cpp) for: too slow, too many queries, its own network and socket
 * timeouts, out of memory.
 */
const CLICKHOUSE_OVERLOADED = /^(159|202|209|210|241)$/
/** How its client words that there was no answer in time; it gives no code. */
const CLICKHOUSE_UNANSWERED = 'Timeout error.'

/** Whether the transaction lost against another and may just be run again. */
export function isTransient(thrown: unknown): boolean {
  const { code } = storeError(thrown)
  return code === '40001' || code === '40P01'
}

/** Whether ClickHouse left a request without an answer. */
export function isUnanswered(thrown: unknown): boolean {
  return storeError(thrown).message === CLICKHOUSE_UNANSWERED
}

/** An error of a store as the client may see it; everything else stays as it is. */
export function fromStoreError(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof GatewayError) return thrown
  const { code, constraint, message } = storeError(thrown)
  const taken = code === '23505' ? TAKEN[constraint] : undefined
  if (taken !== undefined) return new GatewayError('already_exists', { ...taken, cause: thrown })
  const referring = code === '23503' ? REFERRING[constraint] : undefined
  if (referring !== undefined) {
    // It was removed while something began to refer to it.
    const removed = message.startsWith('update or delete')
    return removed
      ? new GatewayError('in_use', { cause: thrown })
      : new GatewayError('not_found', { param: referring, cause: thrown })
  }
  if (UNSTORABLE.test(code)) {
    const text = 'A text holds a character that cannot be stored.'
    return new GatewayError('invalid_parameter', { message: text, cause: thrown })
  }
  const unreachable = UNREACHABLE.test(code) || UNREACHABLE_MESSAGE.test(message)
  if (unreachable || CLICKHOUSE_OVERLOADED.test(code) || isUnanswered(thrown)) {
    return new GatewayError('overloaded', { cause: thrown })
  }
  return thrown
}

function storeError(thrown: unknown): StoreError {
  const field = (name: string) => {
    const value: unknown =
      thrown instanceof Error ? Object.getOwnPropertyDescriptor(thrown, name)?.value : undefined
    return typeof value === 'string' ? value : ''
  }
  return { code: field('code'), constraint: field('constraint'), message: field('message') }
}
