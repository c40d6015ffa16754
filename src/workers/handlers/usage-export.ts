import { z } from 'zod'
import { exportUsage, USAGE_EXPORT_TYPES } from '../../core/contract/usage-records.js'
import { dateRange } from '../../core/date-range.js'
import { ParquetState, parquetPiece } from '../../core/parquet-file.js'
import { handleInParts, type Handler, Part, tenantOf } from './handler.js'
import { CSV_HEADER, csvOf, ndjsonOf, PARQUET_COLUMNS } from './usage-export-columns.js'
import { requireOwnKey } from './usage-keys.js'
import { recordsPart } from './usage-records.js'
import { filterOf } from './usage-rows.js'

/**
 * Rows of a part. A part is in memory whole, here and where it is sent from; a group of rows of a Parquet file is one,
 * and the footer grows by a kilobyte with each.
 */
const PART_ROWS = { csv: 5_000, ndjson: 5_000, parquet: 20_000 } as const

/** What all parts of an export have in common, and how far it is. */
const State = z.object({
  /** Unix milliseconds: the dates that the query leaves out are of the time of the first part. */
  askedAtMs: z.number(),
  /** What the query's names stood for then. */
  filter: z.object({ model: z.string().nullable(), api_key_id: z.string().nullable() }),
  after: z.object({ endedAtMicros: z.number(), requestId: z.string() }).nullable(),
  parquet: ParquetState.nullable(),
})
type State = z.infer<typeof State>

export const usageExportHandlers: readonly Handler[] = [
  handleInParts(exportUsage, async ({ query }, context, cursor) => {
    const tenantId = tenantOf(context.actor)
    const { format } = query
    if (cursor === null) await requireOwnKey(context, tenantId, query.api_key_id)
    const state: State =
      cursor === null
        ? {
            askedAtMs: context.now.getTime(),
            filter: await filterOf(context, query),
            after: null,
            parquet: null,
          }
        : State.parse(JSON.parse(cursor))
    const { rows, next } = await recordsPart(context, {
      tenantId,
      range: dateRange(query, state.askedAtMs),
      filter: state.filter,
      status: null,
      after: state.after,
      limit: PART_ROWS[format],
    })
    const part = (content: string | Uint8Array, parquet: ParquetState | null) =>
      new Part({
        contentType: USAGE_EXPORT_TYPES[format],
        fileName: `usage.${format}`,
        content,
        next: next === null ? null : JSON.stringify({ ...state, after: next, parquet } satisfies State),
      })
    if (format === 'parquet') {
      const piece = parquetPiece(PARQUET_COLUMNS, rows, { before: state.parquet, last: next === null })
      return part(piece.bytes, piece.state)
    }
    if (format === 'ndjson') return part(rows.map(ndjsonOf).join(''), null)
    return part((cursor === null ? CSV_HEADER : '') + rows.map(csvOf).join(''), null)
  }),
]
