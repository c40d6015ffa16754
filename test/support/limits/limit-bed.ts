import { startGateway, untilServed, type Gateway } from '../../../bench/gateway.js'
import { startTestGateway, type NewKey, type NodeToServe, type TestGateway } from '../gateway.js'
import { signalKin } from '../../../bench/proc-stat.js'
import { eventually } from '../processes.js'
import { startStores, type Stores } from '../stores.js'
import { metricOf } from '../usage-audit.js'

/** Two instances of two proxy processes each on shared stores, and a tenant without limits of its own. */
export interface LimitBed extends AsyncDisposable {
  /** With the admin API of both, since they share all. */
  readonly first: TestGateway
  readonly second: Gateway
  /** Tenant ports of both. */
  readonly ports: readonly [number, number]
  readonly tenant: NewKey
  /** A key of the tenant with limits, by the names that the API gives them. */
  key(limits: object): Promise<string>
  /** A model with one node of its own, live on both instances. */
  serve(model: string, node: NodeToServe, fields?: object): Promise<void>
  /** Kills every process of the second instance with SIGKILL. */
  killSecond(): void
}

const PROXIES = 2

/** Starts them. @param given the stores; they stay the caller's */
export async function startLimitBed(given?: Stores): Promise<LimitBed> {
  const started: AsyncDisposable[] = []
  const stop = async () => {
    for (let last = started.pop(); last !== undefined; last = started.pop()) await last[Symbol.asyncDispose]()
  }
  const start = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => {
    const running = await starting
    started.push(running)
    return running
  }
  try {
    const stores = given ?? (await start(startStores()))
    const env = { PROXY_PROCESSES: String(PROXIES) }
    const first = await start(startTestGateway(env, stores))
    const { databaseUrl, clickhouseUrl, redisUrl } = stores
    const second = await start(
      startGateway({
        env: {
          ...env,
          DATABASE_URL: databaseUrl,
          CLICKHOUSE_URL: clickhouseUrl,
          ...(redisUrl !== null && { REDIS_URL: redisUrl }),
        },
      }),
    )
    await eventually(
      'all proxies are up',
      async () => (await metricOf(first, 'crosslogic_up', 'proxy')) === PROXIES,
    )
    const tenant = await first.createTenant({ tier: 'enterprise' })
    return {
      first,
      second,
      ports: [first.port, second.tenantPort],
      tenant,
      key: async (limits) => (await first.createKey(tenant.id, limits)).key,
      async serve(model, node, fields) {
        await first.createModel(model, fields)
        await first.addNode(model, model.replaceAll('/', '-'), node)
        await first.live()
        await untilServed(second, tenant.key, model)
      },
      killSecond() {
        // Its supervisor first, which would start others.
        for (const kin of second.process.family()) signalKin(kin, 'SIGKILL')
      },
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
