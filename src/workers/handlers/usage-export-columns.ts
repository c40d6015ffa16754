import { csvLine } from '../../core/csv.js'
import { decimalOfNanos } from '../../core/money.js'
import type { ParquetColumn } from '../../core/parquet-file.js'
import { ownRecordShown, type RecordRow } from './usage-records.js'

/** The columns of an export: the fields of a record as its tenant sees it, of the same names in every format. */

type Shown = ReturnType<typeof ownRecordShown>
type Name = keyof Shown
type Column = ParquetColumn<RecordRow>

const text = (name: Name & keyof RecordRow): Column => ({
  schema: { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  valueOf: (row) => String(row[name]),
})

const flag = (name: 'stream' | 'client_abort' | 'failed'): Column => ({
  schema: { name, type: 'BOOLEAN', repetition_type: 'REQUIRED' },
  valueOf: (row) => row[name],
})

const small = (name: 'status' | 'attempts' | 'resumed'): Column => ({
  schema: { name, type: 'INT32', repetition_type: 'REQUIRED' },
  valueOf: (row) => row[name],
})

const count = (name: Name, of: (row: RecordRow) => number): Column => ({
  schema: { name, type: 'INT64', repetition_type: 'REQUIRED' },
  valueOf: (row) => BigInt(of(row)),
})

const milliseconds = (name: Name, microsOf: (row: RecordRow) => number | null): Column => ({
  schema: { name, type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  valueOf: (row) => {
    const micros = microsOf(row)
    return micros === null ? null : micros / 1000
  },
})

const time = (name: Name, microsOf: (row: RecordRow) => number): Column => ({
  schema: {
    name,
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    repetition_type: 'REQUIRED',
  },
  valueOf: (row) => BigInt(microsOf(row)),
})

export const PARQUET_COLUMNS: readonly Column[] = [
  text('request_id'),
  time('started_at', (row) => row.started_at_micros),
  time('ended_at', (row) => row.ended_at_micros),
  text('model'),
  text('endpoint'),
  flag('stream'),
  small('status'),
  {
    schema: { name: 'error_code', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    valueOf: (row) => (row.error_code === '' ? null : row.error_code),
  },
  flag('client_abort'),
  flag('failed'),
  small('attempts'),
  small('resumed'),
  count('prompt_tokens', (row) => row.prompt_tokens),
  count('completion_tokens', (row) => row.completion_tokens),
  count('cached_tokens', (row) => row.cached_tokens),
  count('total_tokens', (row) => row.prompt_tokens + row.completion_tokens),
  text('counted'),
  {
    schema: {
      name: 'cost_usd',
      type: 'INT64',
      converted_type: 'DECIMAL',
      logical_type: { type: 'DECIMAL', precision: 18, scale: 9 },
      precision: 18,
      scale: 9,
      repetition_type: 'REQUIRED',
    },
    valueOf: (row) => row.cost_nanos,
  },
  milliseconds('latency_ms', (row) => row.e2e_micros),
  milliseconds('ttft_ms', (row) => row.ttft_micros),
  milliseconds('itl_ms', (row) => row.itl_micros),
  milliseconds('overhead_ms', (row) => row.overhead_micros),
  text('api_key_id'),
  text('environment_id'),
  text('model_id'),
  text('node_id'),
]

const NAMES = PARQUET_COLUMNS.map(({ schema }) => schema.name)

export const CSV_HEADER = csvLine(NAMES)

/** A record as a line of CSV. */
export function csvOf(row: RecordRow): string {
  const shown: Readonly<Record<string, string | number | boolean | null>> = {
    ...ownRecordShown(row),
    cost_usd: decimalOfNanos(row.cost_nanos),
  }
  return csvLine(NAMES.map((name) => shown[name]?.toString()))
}

/** A record as a line of NDJSON. Its cost is the shortest decimal that is this one and no other double. */
export function ndjsonOf(row: RecordRow): string {
  return `${JSON.stringify(ownRecordShown(row))}\n`
}
