import { Readable } from 'node:stream'
import { ClickHouseError, type ClickHouseClient, type ClickHouseSettings } from '@clickhouse/client'

/** ClickHouse read the rows and will never take them: sending them again is of no use. */
export class RowsRefusedError extends Error {
  override readonly name = 'RowsRefusedError'
}

/**
 * Codes of ClickHouse that speak of the rows themselves: parse errors, wrong types, values out of range. Anything
 * else (connection, overload, missing table) may pass.
 */
const DATA_ERRORS: ReadonlySet<string> = new Set([
  '6', // CANNOT_PARSE_TEXT
  '25', // CANNOT_PARSE_ESCAPE_SEQUENCE
  '26', // CANNOT_PARSE_QUOTED_STRING
  '27', // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  '32', // ATTEMPT_TO_READ_AFTER_EOF
  '33', // CANNOT_READ_ALL_DATA
  '38', // CANNOT_PARSE_DATE
  '41', // CANNOT_PARSE_DATETIME
  '53', // TYPE_MISMATCH
  '69', // ARGUMENT_OUT_OF_BOUND
  '70', // CANNOT_CONVERT_TYPE
  '72', // CANNOT_PARSE_NUMBER
  '117', // INCORRECT_DATA
  '130', // CANNOT_READ_ARRAY_FROM_TEXT
  '131', // TOO_LARGE_STRING_SIZE
  '321', // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  '349', // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  '376', // CANNOT_PARSE_UUID
  '407', // DECIMAL_OVERFLOW
  '467', // CANNOT_PARSE_BOOL
])

/** Said with every insert, since servers' defaults differ. */
const SETTINGS = {
  async_insert: 0,
  wait_end_of_query: 1,
  input_format_skip_unknown_fields: 1,
  max_partitions_per_insert_block: '0',
} as const

export interface Rows {
  readonly table: string
  /** JSONEachRow. */
  readonly body: Buffer | string
  /** Beside those of every insert. */
  readonly settings: ClickHouseSettings
}

/**
 * Inserts rows. Resolves when ClickHouse has acknowledged all of them.
 * @throws RowsRefusedError when the rows themselves are at fault; else whatever went wrong: send them again
 */
export async function insertRows(
  clickhouse: ClickHouseClient,
  { table, body, settings }: Rows,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { stream } = await clickhouse.exec({
      query: `INSERT INTO ${table} FORMAT JSONEachRow`,
      values: Readable.from([body], { objectMode: false }),
      clickhouse_settings: { ...SETTINGS, ...settings },
      abort_signal: signal,
    })
    await stream.resume().toArray()
  } catch (error) {
    if (error instanceof ClickHouseError && DATA_ERRORS.has(error.code)) {
      throw new RowsRefusedError(error.message, { cause: error })
    }
    throw error
  }
}
