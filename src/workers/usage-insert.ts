import type { ClickHouseClient } from '@clickhouse/client'
import { insertRows } from './insert-rows.js'

const SETTINGS = {
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  // A batch is one block: parsed in parallel its rows could come in another order, and in other blocks.
  input_format_parallel_parsing: 0,
} as const

/**
 * Inserts rows (JSONEachRow) under a token: the same token with the same rows any number of times makes them
 * once, in the table and in its rollups. Resolves when ClickHouse has acknowledged all of it.
 * @throws RowsRefusedError when the rows themselves are at fault; else whatever went wrong: send them again
 */
export async function insertUsage(
  clickhouse: ClickHouseClient,
  batch: { readonly body: Buffer; readonly token: string },
  signal: AbortSignal,
): Promise<void> {
  const settings = { ...SETTINGS, insert_deduplication_token: batch.token }
  await insertRows(clickhouse, { table: 'usage_records', body: batch.body, settings }, signal)
}
