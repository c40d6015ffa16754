import type { ClickHouseClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import type { StoreOutcome } from '../core/explanation.js'
import { insertRows, RowsRefusedError } from './insert-rows.js'

const DEADLINE_MS = 5_000
/** The explanation itself is an object in its row, and a text in its column. */
const SETTINGS = { input_format_json_read_objects_as_strings: 1 } as const

/** Inserts how requests were served, as lines of explanation-line.ts. Once: whoever sends them keeps them, and may again. */
export async function insertExplanations(
  clickhouse: ClickHouseClient,
  rows: readonly string[],
  logger: Logger,
): Promise<StoreOutcome> {
  try {
    const into = { table: 'request_explanations', body: rows.join('\n'), settings: SETTINGS }
    await insertRows(clickhouse, into, AbortSignal.timeout(DEADLINE_MS))
    return 'stored'
  } catch (error) {
    logger.warn({ event: 'explanations_not_stored', rows: rows.length, error })
    return error instanceof RowsRefusedError ? 'refused' : 'failed'
  }
}
