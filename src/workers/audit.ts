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
    actorName(context.actor),
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

/** Who that is, as the audit log and the logs of nodes say it. */
export function actorName(actor: Actor): string {
  if (actor.kind === 'admin') return `admin:${actor.name}`
  return actor.kind === 'node' ? `node:${actor.nodeId}` : `key:${actor.keyId}`
}
