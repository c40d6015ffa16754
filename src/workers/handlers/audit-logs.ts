import { z } from 'zod'
import { AUDIT_EXPORT_TYPES, exportAuditLogs, listAuditLogs } from '../../core/contract/audit-logs.js'
import { csvLine } from '../../core/csv.js'
import { openRange } from '../../core/date-range.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowsOf } from '../../io/query.js'
import { handle, handleInParts, type Handler, type Input, Part } from './handler.js'
import { listing } from './listing.js'

const LIST = loadQuery('audit-list')
const EXPORT = loadQuery('audit-export')

/** What one part of an export holds at most: rows, and bytes beyond its first row. */
const PART_ROWS = 500
const PART_BYTES = 1024 * 1024

/** The last time that Postgres and JavaScript write alike. */
const LATEST_MS = Date.UTC(9999, 11, 31)

const Row = z.object({
  id: z.string(),
  at: z.date(),
  actor: z.string(),
  action: z.string(),
  target_type: z.string(),
  target_id: z.string(),
  tenant_id: z.string().nullable(),
  before: z.record(z.string(), z.unknown()).nullable(),
  after: z.record(z.string(), z.unknown()).nullable(),
  request_id: z.string(),
  address: z.string(),
})
type Row = z.infer<typeof Row>
/** With its time to the microsecond. */
const ExportRow = Row.extend({ exact_at: z.string() })

/** Where the next part goes on: behind the entry of this time and id. */
const Cursor = z.tuple([z.string(), z.string()])

type Filters = Omit<Input<typeof exportAuditLogs>['query'], 'format'>

function filterValues(filters: Filters): (string | Date | null)[] {
  const { startMs, endMs } = openRange(filters)
  return [
    filters.actor ?? null,
    filters.action ?? null,
    filters.target_type ?? null,
    filters.target_id ?? null,
    filters.tenant_id ?? null,
    startMs === null ? null : new Date(Math.min(startMs, LATEST_MS)),
    endMs === null ? null : new Date(Math.min(endMs, LATEST_MS)),
    filters.search ?? null,
  ]
}

function shown(row: Row) {
  return {
    id: row.id,
    created_at: row.at.toISOString(),
    actor: row.actor,
    action: row.action,
    target_type: row.target_type,
    target_id: row.target_id,
    tenant_id: row.tenant_id,
    before: row.before,
    after: row.after,
    request_id: row.request_id,
    address: row.address,
  }
}

const CSV_HEADER = csvLine([
  ...['created_at', 'actor', 'action', 'target_type', 'target_id', 'tenant_id', 'before', 'after'],
  ...['request_id', 'address', 'id'],
])

function csv(row: Row): string {
  const json = (value: object | null) => (value === null ? null : JSON.stringify(value))
  return csvLine([
    row.at.toISOString(),
    row.actor,
    row.action,
    row.target_type,
    row.target_id,
    row.tenant_id,
    json(row.before),
    json(row.after),
    row.request_id,
    row.address,
    row.id,
  ])
}

const ndjson = (row: Row) => `${JSON.stringify(shown(row))}\n`

export const auditLogsHandlers: readonly Handler[] = [
  handle(listAuditLogs, async ({ query }, { db }) => {
    const values = [...filterValues(query), query.limit, query.offset]
    const { rows, total } = await pageOf(db, LIST, Row, values)
    return listing(rows.map(shown), total, query)
  }),

  handleInParts(exportAuditLogs, async ({ query }, { db }, cursor) => {
    const after = cursor === null ? [null, null] : Cursor.parse(JSON.parse(cursor))
    const values = [...filterValues(query), ...after, PART_ROWS, PART_BYTES]
    const rows = await rowsOf(db, EXPORT, ExportRow, values)
    const last = rows.at(-1)
    const header = query.format === 'csv' && cursor === null ? CSV_HEADER : ''
    return new Part({
      contentType: AUDIT_EXPORT_TYPES[query.format],
      fileName: `audit-log.${query.format}`,
      content: header + rows.map(query.format === 'csv' ? csv : ndjson).join(''),
      next: last === undefined ? null : JSON.stringify([last.exact_at, last.id]),
    })
  }),
]
