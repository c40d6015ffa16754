import { isUtf8 } from 'node:buffer'
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { ClickHouseEngine, Statement, StatementResult } from './clickhouse-engine.js'
import { CODE, ClickHouseFailure, httpStatusOf, toClickHouseFailure } from './clickhouse-error.js'
import { parseInsert, type RowInsert } from './clickhouse-insert.js'

/** Of one request's body, unpacked. */
const MAX_BODY_BYTES = 128 * 1024 * 1024

/** URL parameters that are the HTTP interface's own; every other one is a setting of the statement. */
const INTERFACE_PARAMETERS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'user',
  'password',
  'quota_key',
  'role',
  'stacktrace',
  'client_protocol_version',
  // Results are complete before the reply begins anyway.
  'wait_end_of_query',
  'buffer_size',
  'enable_http_compression',
])
const UNSUPPORTED_PARAMETERS = ['session_id', 'compress', 'decompress']

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  JSON: 'application/json; charset=UTF-8',
  JSONCompact: 'application/json; charset=UTF-8',
  JSONEachRow: 'application/x-ndjson; charset=UTF-8',
  JSONCompactEachRow: 'application/x-ndjson; charset=UTF-8',
  CSV: 'text/csv; charset=UTF-8; header=absent',
  CSVWithNames: 'text/csv; charset=UTF-8; header=present',
  TabSeparated: 'text/tab-separated-values; charset=UTF-8',
  TabSeparatedWithNames: 'text/tab-separated-values; charset=UTF-8',
  Parquet: 'application/octet-stream',
  Native: 'application/octet-stream',
}

export interface ClickHouseCredentials {
  readonly user: string
  readonly password: string
}

/**
 * ClickHouse's HTTP interface over the embedded engine: `/ping`, and statements by GET (read only) and POST.
 * No sessions, no multipart parameters, no binary insert formats: what it does not know, it refuses.
 */
export function createClickHouseServer(engine: ClickHouseEngine, credentials: ClickHouseCredentials): Server {
  // Keep-alive above that of the clients, so that it is they who close idle connections.
  return createServer({ keepAliveTimeout: 30_000, maxHeaderSize: 1024 * 1024 }, (request, response) => {
    void answer(engine, credentials, request, response)
  })
}

async function answer(
  engine: ClickHouseEngine,
  credentials: ClickHouseCredentials,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const queryId = url.searchParams.get('query_id') ?? randomUUID()
  try {
    if (url.pathname === '/ping') {
      send(response, 200, {}, 'Ok.\n')
      return
    }
    if (url.pathname !== '/' || (request.method !== 'GET' && request.method !== 'POST')) {
      send(response, 404, {}, `There is no handle ${request.method ?? ''} ${url.pathname}\n`)
      return
    }
    authenticate(credentials, request, url.searchParams)
    const statement = readStatement(request, url.searchParams, await readBody(request))
    if (statement === null) {
      send(response, 200, {}, 'Ok.\n')
      return
    }
    const result = await runInsertsOfNothing(engine, statement)
    const format = formatOf(statement)
    send(
      response,
      200,
      {
        'content-type': CONTENT_TYPES[format] ?? 'text/plain; charset=UTF-8',
        'x-clickhouse-query-id': queryId,
        'x-clickhouse-format': format,
        'x-clickhouse-timezone': 'UTC',
        'x-clickhouse-summary': summaryOf(result),
      },
      result.bytes,
    )
  } catch (error) {
    const failure = toClickHouseFailure(error)
    const headers: Record<string, string> = {
      'x-clickhouse-query-id': queryId,
      'x-clickhouse-exception-code': String(failure.code),
    }
    // What is left of a body that was refused is not read.
    if (!request.complete) headers['connection'] = 'close'
    send(response, httpStatusOf(failure.code), headers, failure.body())
  }
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: string | Uint8Array,
): void {
  if (response.destroyed) return
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, {
    'content-type': 'text/plain; charset=UTF-8',
    'content-length': bytes.byteLength,
    ...headers,
  })
  response.end(bytes)
}

function authenticate(
  expected: ClickHouseCredentials,
  request: IncomingMessage,
  query: URLSearchParams,
): void {
  const given = credentialsOf(request, query)
  if (given.user !== expected.user || !sameSecret(given.password, expected.password)) {
    throw new ClickHouseFailure(
      CODE.authenticationFailed,
      `${given.user}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)`,
    )
  }
}

function credentialsOf({ headers }: IncomingMessage, query: URLSearchParams): ClickHouseCredentials {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1]
  if (basic !== undefined) {
    const [user = '', ...password] = Buffer.from(basic, 'base64').toString().split(':')
    return { user, password: password.join(':') }
  }
  return {
    user: String(headers['x-clickhouse-user'] ?? query.get('user') ?? 'default'),
    password: String(headers['x-clickhouse-key'] ?? query.get('password') ?? ''),
  }
}

function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of unpacked(request)) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('the body is read as bytes')
    size += chunk.length
    if (size > MAX_BODY_BYTES) {
      throw new ClickHouseFailure(CODE.queryIsTooLarge, 'The body is too large. (QUERY_IS_TOO_LARGE)')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function unpacked(request: IncomingMessage): AsyncIterable<unknown> {
  const encoding = request.headers['content-encoding'] ?? ''
  const decoder = decoderOf(encoding)
  if (decoder === undefined) return request
  if (decoder === null) {
    throw new ClickHouseFailure(
      CODE.notImplemented,
      `Unknown compression method: ${encoding}. (NOT_IMPLEMENTED)`,
    )
  }
  request.on('error', (error) => decoder.destroy(error))
  return request.pipe(decoder)
}

function decoderOf(encoding: string) {
  switch (encoding) {
    case '':
    case 'identity':
      return undefined
    case 'gzip':
      return createGunzip()
    case 'deflate':
      return createInflate()
    case 'br':
      return createBrotliDecompress()
    default:
      return null
  }
}

/** @returns null when nothing was asked */
function readStatement(request: IncomingMessage, query: URLSearchParams, body: Buffer): Statement | null {
  for (const name of UNSUPPORTED_PARAMETERS) {
    if ((query.get(name) ?? '0') !== '0') refuse(`The embedded engine does not support ${name}`)
  }
  if (request.headers['content-type']?.startsWith('multipart/')) {
    refuse('The embedded engine does not support multipart bodies')
  }
  const sql = statementOf(query.get('query') ?? '', body)
  if (sql === null) return null
  const settings = new Map<string, string>()
  const params = new Map<string, string>()
  for (const [name, value] of query) {
    if (name.startsWith('param_')) params.set(name.slice('param_'.length), value)
    else if (!INTERFACE_PARAMETERS.has(name) && !UNSUPPORTED_PARAMETERS.includes(name))
      settings.set(name, value)
  }
  return {
    sql,
    format: query.get('default_format') ?? header(request, 'x-clickhouse-format') ?? 'TabSeparated',
    database: query.get('database') ?? header(request, 'x-clickhouse-database') ?? null,
    settings,
    params,
    readOnly: request.method === 'GET',
  }
}

/** As ClickHouse does it: the statement may be in the URL, in the body, or begin in one and end in the other. */
function statementOf(head: string, body: Buffer): string | RowInsert | null {
  if (!isUtf8(body)) {
    throw new ClickHouseFailure(
      CODE.incorrectData,
      'The embedded engine takes text formats only, as UTF-8. (INCORRECT_DATA)',
    )
  }
  const insert = body.length > 0 ? parseInsert(head) : null
  if (insert !== null) return { ...insert, rows: body }
  const sql = [head, body.toString()].filter((part) => part !== '').join('\n')
  return sql.trim() === '' ? null : sql
}

function refuse(message: string): never {
  throw new ClickHouseFailure(CODE.notImplemented, `${message}. (NOT_IMPLEMENTED)`)
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

/** A server takes an insert without rows; the embedded engine calls it an error. */
async function runInsertsOfNothing(engine: ClickHouseEngine, statement: Statement): Promise<StatementResult> {
  try {
    return await engine.run(statement)
  } catch (error) {
    if (!(error instanceof ClickHouseFailure && error.code === CODE.noDataToInsert)) throw error
    return { bytes: new Uint8Array(0), rowsRead: 0, bytesRead: 0, elapsedSeconds: 0 }
  }
}

/** The format that a result comes in. An insert's own FORMAT is that of its rows, but then there is no result. */
function formatOf({ sql, format }: Statement): string {
  if (typeof sql !== 'string') return format
  return /\bFORMAT\s+([A-Za-z]\w*)\s*(?:SETTINGS\s[^;]*)?;?\s*$/i.exec(sql.slice(-1000))?.[1] ?? format
}

function summaryOf(result: StatementResult): string {
  return JSON.stringify({
    read_rows: String(result.rowsRead),
    read_bytes: String(result.bytesRead),
    elapsed_ns: String(Math.round(result.elapsedSeconds * 1e9)),
  })
}
