import { mkdirSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { constrainedMemory } from 'node:process'
import { Session, drainPending } from 'chdb'
import { CODE, ClickHouseFailure, toClickHouseFailure } from './clickhouse-error.js'
import { insertFromFile, type RowInsert } from './clickhouse-insert.js'

export interface Statement {
  /** The text to run, or rows to insert. */
  readonly sql: string | RowInsert
  /** What a result is written in when the statement does not say. */
  readonly format: string
  readonly database: string | null
  readonly settings: ReadonlyMap<string, string>
  /** Values of `{name:Type}` in the statement, in ClickHouse's escaped text form. */
  readonly params: ReadonlyMap<string, string>
  readonly readOnly: boolean
}

export interface StatementResult {
  readonly bytes: Uint8Array
  readonly rowsRead: number
  readonly bytesRead: number
  readonly elapsedSeconds: number
}

export interface ClickHouseEngine {
  /** @throws ClickHouseFailure */
  run(statement: Statement): Promise<StatementResult>
  /** Waits for what is running and closes the folder. */
  close(): Promise<void>
}

/** Statements at once; each takes a thread of libuv's pool while it runs (see UV_THREADPOOL_SIZE). */
const MAX_RUNNING = 8
const MAX_WAITING = 256
const MIB = 1024 * 1024

/** What differs between the embedded engine and a server, and bounds that a server's profile would hold. */
const BASE_SETTINGS: ReadonlyMap<string, string> = new Map([
  ['implicit_select', '0'],
  ['allow_introspection_functions', '0'],
  ['async_insert', '0'],
  ['max_execution_time', '300'],
])

export interface ClickHouseFolders {
  /** The database. */
  readonly data: string
  /**
   * For rows on their way into the engine; emptied here. Relative to the current directory, so that the engine never
   * sees what lies above: it would take some characters there for an archive's name.
   */
  readonly inserts: string
}

/**
 * Opens chDB on a folder. Each statement gets a connection of its own, so that settings, parameters and the current
 * database can never reach another statement, whatever runs beside it.
 *
 * Rows go in by way of a file: as a part of the statement they are copied into and out of V8's heap and then run
 * through the engine's lexer for SQL: 8.5 µs a usage record in all, and 2.5 µs from a file (docs/performance.md).
 */
export function openClickHouseEngine({ data: folder, inserts }: ClickHouseFolders): ClickHouseEngine {
  rmSync(inserts, { recursive: true, force: true })
  mkdirSync(inserts, { mode: 0o700 })
  let staged = 0
  const memoryMiB = memoryBudgetMiB()
  const base = new Map([...BASE_SETTINGS, ['max_memory_usage', String((memoryMiB * MIB) / 2)]])
  // Holds the engine open between statements.
  const keeper = new Session(folder, {
    connectionArgs: [
      `--max_server_memory_usage=${memoryMiB * MIB}`,
      `--mark_cache_size=${128 * MIB}`,
      `--primary_index_cache_size=${128 * MIB}`,
      `--background_schedule_pool_size=4`,
    ],
  })
  const waiting: (() => void)[] = []
  let running = 0

  const slot = async () => {
    if (running < MAX_RUNNING) {
      running++
      return
    }
    if (waiting.length >= MAX_WAITING) {
      throw new ClickHouseFailure(
        CODE.tooManyQueries,
        'Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)',
      )
    }
    await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const release = () => {
    const next = waiting.shift()
    if (next) next()
    else running--
  }

  return {
    async run(statement) {
      const preparation = prepare(statement, base)
      await slot()
      try {
        const { sql, format } = statement
        const run = (text: string) => runAlone(folder, text, format, preparation)
        if (typeof sql === 'string') return await run(sql)
        const file = join(inserts, `${++staged}.rows`)
        try {
          await writeFile(file, sql.rows, { mode: 0o600 })
          return await run(insertFromFile(sql, file))
        } finally {
          await rm(file, { force: true })
        }
      } catch (error) {
        throw toClickHouseFailure(error)
      } finally {
        release()
      }
    },
    async close() {
      await drainPending()
      keeper.close()
    },
  }
}

async function runAlone(
  folder: string,
  sql: string,
  format: string,
  preparation: readonly string[],
): Promise<StatementResult> {
  const connection = new Session(folder)
  try {
    for (const step of preparation) await connection.queryAsync(step)
    const result = await connection.queryAsync(sql, { format })
    return {
      bytes: result.bytes(),
      rowsRead: result.rowsRead,
      bytesRead: result.bytesRead,
      elapsedSeconds: result.elapsed,
    }
  } finally {
    connection.close()
  }
}

/** The statements that give a fresh connection its database, settings and parameters. */
function prepare(statement: Statement, base: ReadonlyMap<string, string>): string[] {
  const assignments: string[] = []
  for (const [name, value] of new Map([...base, ...statement.settings])) {
    if (!/^[a-z_][a-z0-9_]*$/i.test(name)) {
      throw new ClickHouseFailure(CODE.unknownSetting, `Unknown setting '${name}'. (UNKNOWN_SETTING)`)
    }
    assignments.push(`${name} = ${quote(value)}`)
  }
  for (const [name, value] of statement.params) {
    if (!/^\w+$/.test(name)) {
      throw new ClickHouseFailure(CODE.syntaxError, `Bad parameter name '${name}'. (SYNTAX_ERROR)`)
    }
    assignments.push(`param_${name} = ${quote(value)}`)
  }
  if (statement.readOnly) assignments.push('readonly = 2')
  const steps = [`SET ${assignments.join(', ')}`]
  if (statement.database !== null) steps.unshift(`USE \`${escapeWith(statement.database, '`')}\``)
  return steps
}

function quote(value: string): string {
  return `'${escapeWith(value, "'")}'`
}

function escapeWith(value: string, delimiter: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll(delimiter, `\\${delimiter}`)
}

/** 40% of the memory that this process may use, between 1 and 8 GiB. */
function memoryBudgetMiB(): number {
  const limit = constrainedMemory()
  const available = limit > 0 && limit < totalmem() ? limit : totalmem()
  return Math.floor(Math.min(Math.max((available * 0.4) / MIB, 1024), 8192))
}
