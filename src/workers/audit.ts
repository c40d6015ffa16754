import { uuidv7 } from 'uuidv7'
import type { Actor } from '../core/contract/task.js'
import { redactedJson } from '../core/redact.js'
import { loadQuery } from '../io/postgres.js'
import type { HandlerContext } from './handlers/handler.js'

const INSERT = loadQuery('audit-insert')

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
    entry.before === null ? null : redactedJson(entry.before),
    entry.after === null ? null : redactedJson(entry.after),
    context.requestId,
    context.remoteAddress,
  ])
}

function nameOf(actor: Actor): string {
  return actor.kind === 'admin' ? `admin:${actor.name}` : `key:${actor.keyId}`
}
