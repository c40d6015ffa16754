import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { ClickHouseClient } from '@clickhouse/client'
import { sqlFiles } from './sql-files.js'

export interface ClickHouseOptions {
  /** `http(s)://user:password@host:port/database`. */
  readonly url: string
  /** How long a request may take in all. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** How long the server may work on a statement. Default: as it is configured. */
  readonly maxExecutionSeconds?: number
  /** Most connections of this process. Default 10. */
  readonly maxConnections?: number
}

/** Below every server's keep-alive (ClickHouse's default is 10 s, 3 s in older versions), or a request now and then meets a socket that the server is just closing. */
const IDLE_SOCKET_MS = 2_500

/** A client of ClickHouse's HTTP interface. Connects when first used; close it with `close()`. */
export function createClickHouse(options: ClickHouseOptions): ClickHouseClient {
  return createClient({
    url: options.url,
    application: 'crosslogic',
    request_timeout: options.requestTimeoutMs ?? 30_000,
    max_open_connections: options.maxConnections ?? 10,
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS },
    clickhouse_settings: {
      // The servers' defaults differ by version: 64-bit integers come as JSON numbers.
      output_format_json_quote_64bit_integers: 0,
      ...(options.maxExecutionSeconds !== undefined && { max_execution_time: options.maxExecutionSeconds }),
    },
    // Failures are thrown; whoever catches them logs them.
    log: { level: ClickHouseLogLevel.OFF },
  })
}

/** The text of `sql/clickhouse/queries/<name>.sql`. */
export const loadClickHouseQuery = sqlFiles('sql/clickhouse/queries')
