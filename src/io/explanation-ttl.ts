import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { firstLine, MigrationError } from './migration-files.js'

const Engine = z.array(z.object({ engine_full: z.string() }))

/**
 * Sets for how many days `request_explanations` keeps its rows, those that are there included; 0: they go at the next
 * merge. Does nothing where that is so already, since a change makes ClickHouse look at every part.
 * @throws MigrationError
 */
export async function keepExplanations(clickhouse: ClickHouseClient, days: number): Promise<void> {
  try {
    const result = await clickhouse.query({
      query:
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'request_explanations'",
      format: 'JSONEachRow',
    })
    const [table] = Engine.parse(await result.json())
    if (table?.engine_full.includes(`TTL toDateTime(started_at) + toIntervalDay(${days})`) === true) return
    await clickhouse.command({
      query: `ALTER TABLE request_explanations MODIFY TTL toDateTime(started_at) + INTERVAL ${days} DAY`,
    })
  } catch (error) {
    throw new MigrationError(`EXPLAIN_DAYS could not be set in ClickHouse: ${firstLine(error)}`, 1, {
      cause: error,
    })
  }
}
