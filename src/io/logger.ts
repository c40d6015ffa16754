import pino from 'pino'
import type { Settings } from '../core/settings.js'

export type Logger = pino.Logger

/** Fields that are secret, at the top of a line's object or one level down. */
const SECRET_FIELDS = [
  'authorization',
  'x-admin-token',
  'adminToken',
  'apiKey',
  'api_key',
  'key',
  'token',
  'password',
  'secret',
]

/** URLs with a password, keys and bearer tokens that slipped into a message, a stack or an unexpected field. */
const SECRET_TEXT =
  /(:\/\/[^\s"/@:]*):[^\s"/@]+@|(clsk_(?:live|test)_[0-9A-Za-z]{2})[0-9A-Za-z]+|(bearer )[^\s"]+/gi

/** One log line without the passwords of URLs, the ends of API keys, and bearer tokens. */
export function withoutSecrets(line: string): string {
  return line.replace(SECRET_TEXT, (_match, url?: string, key?: string, bearer?: string) =>
    url !== undefined ? `${url}:***@` : `${key ?? bearer ?? ''}***`,
  )
}

export interface LoggerOptions {
  readonly level: Settings['logLevel']
  /** Which process writes: `supervisor`, `control`, `proxy-0`. */
  readonly process: string
  /** File descriptor; default standard output. */
  readonly fd?: number
  /**
   * Write before the call returns. For the data plane false: a reader of the log who stalls must not stall the
   * streams. What is buffered then is written on exit, and lost by `kill -9`.
   */
  readonly sync?: boolean
}

/** A logger of JSON lines on standard output; secrets are taken out. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { process: options.process, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [`["${field}"]`, `*["${field}"]`]),
        censor: '***',
      },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
      hooks: { streamWrite: withoutSecrets },
    },
    pino.destination({ dest: options.fd ?? 1, sync: options.sync ?? true }),
  )
}
