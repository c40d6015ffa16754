import { z } from 'zod'
import { isTimeZone } from '../date-range.js'
import { endpoint } from './endpoint.js'
import { listOf, page, text, Timestamp, Uuid } from './fields.js'
import { DateInput } from './usage.js'

/** A row as the API showed it, secrets hidden. */
const Shown = z.record(z.string(), z.unknown()).nullable()

export const AuditEntry = z
  .object({
    id: Uuid,
    created_at: Timestamp,
    actor: z.string().meta({ description: 'admin:<name of the token>, or key:<id of the API key>.' }),
    action: z.string().meta({ description: '<resource>.<verb>' }),
    target_type: z.string(),
    target_id: z.string(),
    tenant_id: Uuid.nullable(),
    before: Shown.meta({ description: 'null: it did not exist.' }),
    after: Shown.meta({ description: 'null: it exists no more.' }),
    request_id: z.string(),
    address: z.string(),
  })
  .meta({ id: 'AuditEntry' })

const filters = {
  actor: text(200).optional(),
  action: text(100).optional(),
  target_type: text(100).optional(),
  target_id: text(200).optional(),
  tenant_id: Uuid.optional(),
  start_date: DateInput.optional().meta({
    description: 'A whole day in tz, or an RFC 3339 time. Default: the first entry.',
  }),
  end_date: DateInput.optional().meta({
    description: 'A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: the last entry.',
  }),
  tz: z
    .string()
    .max(64)
    .refine(isTimeZone, 'expected the IANA name of a time zone')
    .default('UTC')
    .meta({ description: 'Time zone of whole days.' }),
  search: text(200).optional().meta({ description: 'Stands anywhere in the entry, in any case.' }),
}

const tag = 'Audit log'

export const listAuditLogs = endpoint({
  id: 'audit-logs.list',
  method: 'GET',
  path: '/admin/audit-logs',
  auth: 'admin',
  tag,
  summary: 'Lists who changed what, newest first',
  query: z.strictObject({ ...page, ...filters }),
  reply: { 200: listOf(AuditEntry) },
  errors: [],
})

export const AUDIT_EXPORT_TYPES = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
} as const

export const exportAuditLogs = endpoint({
  id: 'audit-logs.export',
  method: 'GET',
  path: '/admin/audit-logs/export',
  auth: 'admin',
  tag,
  summary: 'Exports all entries that match, newest first, as a stream',
  description:
    'A reply that breaks off before its end is not whole. In CSV a cell that a spreadsheet would run as a formula has an apostrophe before it, and before and after are JSON.',
  query: z.strictObject({ format: z.enum(['csv', 'ndjson']).default('csv'), ...filters }),
  inParts: Object.values(AUDIT_EXPORT_TYPES),
  reply: { 200: z.string() },
  errors: [],
})

export const auditLogsEndpoints = [listAuditLogs, exportAuditLogs]
