import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { createAdminClient } from '../../src/core/client/client.js'
import { startSkyPilotProcess } from '../../test/support/skypilot-process.js'
import { startBalancer } from './balancer.js'
import { localCensus, providerCensus, type MachineCensus } from './machine-census.js'
import { ADMIN_TOKEN, startMortalControl, type MortalControl } from './mortal-control.js'
import { createWantedNodes, type WantedNodes } from './wanted-nodes.js'

/** A launch takes its time, so that there is something to be killed in. */
const PROVIDER_TIMES = { provisionMs: 1_500, setupMs: 500, downMs: 1_000 }

/** Control processes that may be killed, behind one address, and wishes at two providers. */
export interface ControlBed {
  readonly controls: readonly MortalControl[]
  readonly fleets: readonly WantedNodes[]
}

/** `DATABASE_URL`, `CLICKHOUSE_URL` and `REDIS_URL`. */
export type StoreUrls = Readonly<Record<'DATABASE_URL' | 'CLICKHOUSE_URL' | 'REDIS_URL', string>>

/**
 * Starts one or two control processes, each with a `DATA_DIR` of its own, uses them and ends all of it.
 * @throws when something does not start, and what `use` throws
 */
export async function withControlBed<T>(
  count: 1 | 2,
  stores: StoreUrls,
  use: (bed: ControlBed) => Promise<T>,
): Promise<T> {
  await using folder = await benchFolder()
  await using provider = await startSkyPilotProcess({ faults: PROVIDER_TIMES })
  const controls: MortalControl[] = []
  await using balancer = await startBalancer(() => controls.flatMap(({ adminPort }) => adminPort ?? []))
  const launching = { SKYPILOT_URL: provider.url, SKYPILOT_TOKEN: provider.token, CONTROL_URL: balancer.url }
  const env = { ...stores, ...launching }
  using local = localCensus([1, 2].map((at) => join(folder.path, String(at), 'nodes')))
  await using first = await startMortalControl({ dataDir: join(folder.path, '1'), env })
  controls.push(first)
  // Of two, the first leads.
  await first.untilElected(0)
  await using second = count === 2 ? await startMortalControl({ dataDir: join(folder.path, '2'), env }) : null
  if (second !== null) controls.push(second)
  const client = createAdminClient({ baseUrl: balancer.url, adminToken: ADMIN_TOKEN })
  await using database = disposablePool(stores.DATABASE_URL)
  const fleetAt = (at: 'local' | 'aws', census: MachineCensus) =>
    createWantedNodes({ client, database: database.pool, provider: at, model: `acme/${at}`, census })
  const fleets = [await fleetAt('local', local), await fleetAt('aws', providerCensus(provider))]
  return await use({ controls, fleets })
}

async function benchFolder() {
  const path = await mkdtemp(join(tmpdir(), 'crosslogic-bench-'))
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

function disposablePool(connectionString: string) {
  const pool = new Pool({ connectionString, max: 2 })
  return { pool, [Symbol.asyncDispose]: () => pool.end() }
}
