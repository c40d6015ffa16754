import { uuidv7 } from 'uuidv7'
import type { Actor } from '../core/contract/task.js'
import { loadQuery } from '../io/postgres.js'
import type { HandlerContext } from './handlers/handler.js'

const INSERT = loadQuery('audit-insert')

/** Fields whose values never reach the audit log. */
const SECRET = new Set(['api_key', 'key', 'digest', 'token'])

export interface AuditEntry {
  /** `<resource>.<verb>` */
  readonly action: string
  readonly targetType: string
  readonly targetId: string
  readonly tenantId?: string
  /** As the API shows it; null when it did not exist. */
  readonly before: object | null
  readonly after: object | null
}

/** Writes one row of the audit log in the caller's transaction, secrets redacted. */
export async function audit(context: HandlerContext, entry: AuditEntry): Promise<void> {
  await context.db.query(INSERT, [
    uuidv7(),
    nameOf(context.actor),
    entry.action,
    entry.targetType,
    entry.targetId,
    entry.tenantId ?? null,
    redacted(entry.before),
    redacted(entry.after),
    context.requestId,
    context.remoteAddress,
  ])
}

function nameOf(actor: Actor): string {
  return actor.kind === 'admin' ? `admin:${actor.name}` : `key:${actor.keyId}`
}

function redacted(value: object | null): string | null {
  if (value === null) return null
  return JSON.stringify(value, (name, field: unknown) => (SECRET.has(name) && field !== null ? '***' : field))
}
