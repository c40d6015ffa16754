import { z } from 'zod'

/** What the settings depend on beside the environment. */
export interface Machine {
  /** Processors that this process may use. */
  readonly cores: number
  /** Whether a `redis-server` or `valkey-server` is on the PATH. */
  readonly hasRedisServer: boolean
  readonly isReadableFile: (path: string) => boolean
}

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** Builds a schema out of a parser that answers undefined for what it refuses; secrets are never echoed. */
function setting<T>(parse: (text: string) => T | undefined, expected: string, secret = false) {
  return z.string().transform((text, context): T => {
    const value = parse(text)
    if (value !== undefined) return value
    const got = secret ? '' : ` (got ${JSON.stringify(text.slice(0, 60))})`
    context.addIssue({ code: 'custom', message: `must be ${expected}${got}` })
    return z.NEVER
  })
}

function wholeNumber(least: number, most: number) {
  return setting((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? value : undefined
  }, `a whole number from ${least} to ${most}`)
}

function oneOf<const T extends string>(...choices: readonly T[]) {
  return setting((text) => choices.find((choice) => choice === text), `one of ${choices.join(', ')}`)
}

/** URLs may hold passwords, so a bad one is not echoed. */
function url(...schemes: readonly string[]) {
  return setting((text) => (isUrl(text, schemes) ? text : undefined), urlWithScheme(schemes), true)
}

/** One server, or the first nodes of a cluster separated by commas. */
function redisUrl() {
  const schemes = ['redis', 'rediss', 'redis+cluster', 'rediss+cluster']
  return setting(
    (text) => (text.split(',').every((part) => isUrl(part.trim(), schemes)) ? text : undefined),
    `${urlWithScheme(schemes)}, or several separated by commas`,
    true,
  )
}

function isUrl(text: string, schemes: readonly string[]): boolean {
  const scheme = schemes.find((known) => text.startsWith(`${known}://`))
  return scheme !== undefined && text.length > scheme.length + 3 && !/\s/.test(text) && URL.canParse(text)
}

function urlWithScheme(schemes: readonly string[]): string {
  return `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`
}

const host = setting((text) => (/^[A-Za-z0-9._:-]+$/.test(text) ? text : undefined), 'a host name or address')
const path = setting((text) => (text.includes('\0') ? undefined : text), 'a path')
const port = wholeNumber(0, 65_535)
const seconds = wholeNumber(0, 31_536_000)
const bytes = wholeNumber(1, 2 ** 40)
const headerSafe = setting(
  (text) => (/^[\x21-\x7e]{1,512}$/.test(text) ? text : undefined),
  '1 to 512 visible ASCII characters, since it travels in a header',
  true,
)

/** Every environment variable that is read, with its default as it would be written in the environment. */
const environment = z.object({
  HOST: host.prefault('0.0.0.0'),
  PORT: port.prefault('8080'),
  ADMIN_HOST: host.prefault('127.0.0.1'),
  ADMIN_PORT: port.prefault('9090'),
  TLS_CERT_FILE: path.optional(),
  TLS_KEY_FILE: path.optional(),
  ADMIN_TLS_CERT_FILE: path.optional(),
  ADMIN_TLS_KEY_FILE: path.optional(),
  PUBLIC_URL: url('http', 'https').optional(),
  CONTROL_URL: url('http', 'https').optional(),
  ADMIN_TOKEN: headerSafe.optional(),
  DATA_DIR: path.prefault('./data'),
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  MIGRATION_DATABASE_URL: url('postgres', 'postgresql').optional(),
  REDIS_URL: redisUrl().optional(),
  CLICKHOUSE_URL: url('http', 'https').optional(),
  ROLE: oneOf('all', 'control', 'proxy').prefault('all'),
  PROXY_PROCESSES: wholeNumber(1, 256).optional(),
  MAX_BODY_BYTES: bytes.prefault(String(32 * 2 ** 20)),
  MAX_BODIES_TOTAL_BYTES: bytes.prefault(String(512 * 2 ** 20)),
  DRAIN_DELAY_SECONDS: seconds.prefault('0'),
  DRAIN_SECONDS: seconds.prefault('600'),
  KEY_GRACE_SECONDS: seconds.prefault('3600'),
  EXPLAIN_DAYS: wholeNumber(0, 3650).prefault('7'),
  EXPLAIN_PER_SECOND: wholeNumber(0, 10_000).prefault('50'),
  SKYPILOT_URL: url('http', 'https').optional(),
  SKYPILOT_TOKEN: headerSafe.optional(),
  LAUNCH_TEMPLATES_DIR: path.optional(),
  LAUNCH_TIMEOUT_SECONDS: wholeNumber(1, 86_400).prefault('1800'),
  ORPHAN_GRACE_SECONDS: seconds.prefault('600'),
  HF_TOKEN: headerSafe.optional(),
  LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').prefault('info'),
  ACCESS_LOG: oneOf('all', 'errors', 'off').prefault('errors'),
})
type Environment = z.output<typeof environment>

/** The names of all settings, in the order of the documentation. */
export const SETTING_NAMES: readonly string[] = Object.keys(environment.shape)

const tlsFiles = z.object({ certFile: z.string(), keyFile: z.string() })

/** Settings as the whole program uses them. A schema too, since the supervisor sends them to its children. */
export const settingsSchema = z.object({
  role: z.enum(['all', 'control', 'proxy']),
  host: z.string(),
  port: z.number(),
  adminHost: z.string(),
  adminPort: z.number(),
  /** Null: plain HTTP. */
  tls: tlsFiles.nullable(),
  adminTls: tlsFiles.nullable(),
  /** Null: derived from host and port; see {@link publicUrl}. */
  publicUrl: z.string().nullable(),
  /** Null: generated, kept in the data directory. */
  adminToken: z.string().nullable(),
  dataDir: z.string(),
  /** Null (`role` all only): the embedded store. */
  databaseUrl: z.string().nullable(),
  /** The owner role's; null: the same as databaseUrl. */
  migrationDatabaseUrl: z.string().nullable(),
  /** Null (`role` all only): a server from the PATH, or no Redis. */
  redisUrl: z.string().nullable(),
  clickhouseUrl: z.string().nullable(),
  /** Data-plane processes; 0 for `role` control. */
  proxyProcesses: z.number(),
  maxBodyBytes: z.number(),
  maxBodiesTotalBytes: z.number(),
  drainDelaySeconds: z.number(),
  drainSeconds: z.number(),
  keyGraceSeconds: z.number(),
  /** How long it can be asked how a request was served; 0: not at all. */
  explainDays: z.number(),
  /** Requests without anything unusual that a proxy keeps for that, a second; 0: none. */
  explainPerSecond: z.number(),
  /** Null: derived from host and port; see {@link controlUrl}. */
  controlUrl: z.string().nullable(),
  /** The API server that launches machines at clouds; null: there is none. */
  skypilot: z.object({ url: z.string(), token: z.string().nullable() }).nullable(),
  /** Launch templates beside those of the package; null: there are none. */
  launchTemplatesDir: z.string().nullable(),
  /** A launch that takes longer is given up. */
  launchTimeoutSeconds: z.number(),
  /** A machine at a provider that no node knows of is removed after this. */
  orphanGraceSeconds: z.number(),
  /** With which engines fetch models from the hub. */
  hfToken: z.string().nullable(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  accessLog: z.enum(['all', 'errors', 'off']),
})
export type Settings = z.infer<typeof settingsSchema>

/**
 * Settings once the stores run, as children get them: every store's URL is known, ports are the real ones, and there is no
 * migration URL, since children never migrate.
 */
export const resolvedSettingsSchema = settingsSchema.omit({ migrationDatabaseUrl: true }).extend({
  databaseUrl: z.string(),
  clickhouseUrl: z.string(),
})
export type ResolvedSettings = z.infer<typeof resolvedSettingsSchema>

export type SettingsResult =
  { readonly ok: true; readonly settings: Settings } | { readonly ok: false; readonly problems: string[] }

/**
 * Reads all settings out of the environment. An empty variable counts as unset; variables that are not settings
 * are ignored. Every bad one is reported, each as `NAME must be …`.
 */
export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine,
): SettingsResult {
  const given: Record<string, string> = {}
  for (const name of SETTING_NAMES) {
    const text = env[name]
    if (text !== undefined && text !== '') given[name] = text
  }
  const parsed = environment.safeParse(given)
  const issues = parsed.success ? [] : parsed.error.issues
  const problems = issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
  // The rules between settings are held against those that are good by themselves, so that all problems show at once.
  const bad = new Set(issues.map((issue) => issue.path[0]))
  const good: Partial<Environment> = environment.parse(withoutAny(bad, given))
  for (const name of environment.keyof().options) if (bad.has(name)) delete good[name]
  problems.push(...crossProblems(good, bad, machine))
  if (!parsed.success || problems.length > 0) return { ok: false, problems }
  return { ok: true, settings: toSettings(parsed.data, machine) }
}

function withoutAny(
  names: ReadonlySet<PropertyKey | undefined>,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)))
}

const STORE_URLS = ['DATABASE_URL', 'REDIS_URL', 'CLICKHOUSE_URL'] as const

/** What a single setting cannot know; `env` lacks the settings in `bad`, which have been reported already. */
function crossProblems(
  env: Partial<Environment>,
  bad: ReadonlySet<PropertyKey | undefined>,
  machine: Machine,
): string[] {
  const problems: string[] = []
  const role = env.ROLE ?? 'all'
  if (role !== 'all') {
    for (const name of STORE_URLS) {
      if (env[name] === undefined && !bad.has(name)) problems.push(`${name} must be set when ROLE is ${role}`)
    }
  }
  if (
    env.MIGRATION_DATABASE_URL !== undefined &&
    env.DATABASE_URL === undefined &&
    !bad.has('DATABASE_URL')
  ) {
    problems.push('DATABASE_URL must be set together with MIGRATION_DATABASE_URL')
  }
  if ((env.PROXY_PROCESSES ?? 1) > 1 && !hasRedis(env, machine) && !bad.has('REDIS_URL')) {
    problems.push(
      'PROXY_PROCESSES must be 1 without Redis: set REDIS_URL, or put a redis-server or valkey-server on the PATH',
    )
  }
  if (env.SKYPILOT_TOKEN !== undefined && env.SKYPILOT_URL === undefined && !bad.has('SKYPILOT_URL')) {
    problems.push('SKYPILOT_URL must be set together with SKYPILOT_TOKEN')
  }
  problems.push(
    ...tlsProblems('TLS_CERT_FILE', 'TLS_KEY_FILE', env, machine),
    ...tlsProblems('ADMIN_TLS_CERT_FILE', 'ADMIN_TLS_KEY_FILE', env, machine),
  )
  if ((env.MAX_BODY_BYTES ?? 0) > (env.MAX_BODIES_TOTAL_BYTES ?? Infinity)) {
    problems.push('MAX_BODIES_TOTAL_BYTES must be at least MAX_BODY_BYTES')
  }
  const [tenantPort, adminPort] = [env.PORT, env.ADMIN_PORT]
  if (tenantPort !== undefined && tenantPort !== 0 && tenantPort === adminPort) {
    problems.push('ADMIN_PORT must not be the same as PORT')
  }
  return problems
}

type TlsName = 'TLS_CERT_FILE' | 'TLS_KEY_FILE' | 'ADMIN_TLS_CERT_FILE' | 'ADMIN_TLS_KEY_FILE'

function tlsProblems(cert: TlsName, key: TlsName, env: Partial<Environment>, machine: Machine): string[] {
  const problems: string[] = []
  for (const [name, other] of [
    [cert, key],
    [key, cert],
  ] as const) {
    const file = env[name]
    if (file === undefined && env[other] !== undefined)
      problems.push(`${name} must be set together with ${other}`)
    if (file !== undefined && !machine.isReadableFile(file)) {
      problems.push(`${name} must be a readable file (got ${JSON.stringify(file)})`)
    }
  }
  return problems
}

function hasRedis(env: Partial<Environment>, machine: Machine): boolean {
  return env.REDIS_URL !== undefined || machine.hasRedisServer
}

function tls(certFile: string | undefined, keyFile: string | undefined): TlsFiles | null {
  return certFile === undefined || keyFile === undefined ? null : { certFile, keyFile }
}

function toSettings(env: Environment, machine: Machine): Settings {
  const defaultProxies = hasRedis(env, machine) ? Math.max(1, machine.cores - 1) : 1
  return {
    role: env.ROLE,
    host: env.HOST,
    port: env.PORT,
    adminHost: env.ADMIN_HOST,
    adminPort: env.ADMIN_PORT,
    tls: tls(env.TLS_CERT_FILE, env.TLS_KEY_FILE),
    adminTls: tls(env.ADMIN_TLS_CERT_FILE, env.ADMIN_TLS_KEY_FILE),
    publicUrl: env.PUBLIC_URL ?? null,
    adminToken: env.ADMIN_TOKEN ?? null,
    dataDir: env.DATA_DIR,
    databaseUrl: env.DATABASE_URL ?? null,
    migrationDatabaseUrl: env.MIGRATION_DATABASE_URL ?? null,
    redisUrl: env.REDIS_URL ?? null,
    clickhouseUrl: env.CLICKHOUSE_URL ?? null,
    proxyProcesses: env.ROLE === 'control' ? 0 : (env.PROXY_PROCESSES ?? defaultProxies),
    maxBodyBytes: env.MAX_BODY_BYTES,
    maxBodiesTotalBytes: env.MAX_BODIES_TOTAL_BYTES,
    drainDelaySeconds: env.DRAIN_DELAY_SECONDS,
    drainSeconds: env.DRAIN_SECONDS,
    keyGraceSeconds: env.KEY_GRACE_SECONDS,
    explainDays: env.EXPLAIN_DAYS,
    explainPerSecond: env.EXPLAIN_PER_SECOND,
    controlUrl: env.CONTROL_URL ?? null,
    skypilot:
      env.SKYPILOT_URL === undefined ? null : { url: env.SKYPILOT_URL, token: env.SKYPILOT_TOKEN ?? null },
    launchTemplatesDir: env.LAUNCH_TEMPLATES_DIR ?? null,
    launchTimeoutSeconds: env.LAUNCH_TIMEOUT_SECONDS,
    orphanGraceSeconds: env.ORPHAN_GRACE_SECONDS,
    hfToken: env.HF_TOKEN ?? null,
    logLevel: env.LOG_LEVEL,
    accessLog: env.ACCESS_LOG,
  }
}

/** The tenant port's URL as tenants are shown it: PUBLIC_URL, or host and port, a wildcard host being localhost. */
export function publicUrl(settings: Pick<Settings, 'publicUrl' | 'host' | 'port' | 'tls'>): string {
  return settings.publicUrl ?? urlOf(settings.host, settings.port, settings.tls !== null)
}

/** Where agents of nodes reach the admin port: CONTROL_URL, or its host and port, a wildcard host being localhost. */
export function controlUrl(
  settings: Pick<Settings, 'controlUrl' | 'adminHost' | 'adminPort' | 'adminTls'>,
): string {
  return settings.controlUrl ?? urlOf(settings.adminHost, settings.adminPort, settings.adminTls !== null)
}

function urlOf(host: string, port: number, tls: boolean): string {
  const wildcard = host === '0.0.0.0' || host === '::'
  const hostname = wildcard ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${hostname}:${port}`
}
