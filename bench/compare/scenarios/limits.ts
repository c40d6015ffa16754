import { findProgram, installCommand } from '../../debian-packages.js'
import { bearer } from '../../gateway.js'
import { spread } from '../../statistics.js'
import { checkBill, createAccount } from '../account.js'
import type { Bench, Scenario } from '../bench.js'
import { REDIS } from '../contenders/debian-program.js'
import type { Contender } from '../contenders/contender.js'
import type { GatewayContender } from '../contenders/gateway-contender.js'
import { readCpu } from '../cpu-reading.js'
import { rowOf } from '../row.js'
import { connectTo } from '../session.js'
import { smallRequests } from './cpu.js'

/** All far above any load. */
const LIMITS = {
  rate_limit_per_minute: 100_000_000,
  tokens_per_minute: 100_000_000_000,
  max_concurrency: 1_000_000,
}
const BUDGET_USD = 1_000_000
/** Of each pair's runs: the difference is a few percent, so more than other scenarios need. */
const PAIRS_TIMES = 2
const WARM_UP_SECONDS = 1
const MEASURE = 'CPU per small request of a hot key, all limits to none'
const GOAL = { atMost: 1.08 }

/** What it costs to count each request of a busy key in all its limits. */
export const limits: Scenario = {
  name: 'limits',
  title:
    'CPU per small request of a hot key with all limits (key, environment and tenant: requests, tokens, concurrency; a budget), against a key with none',
  async run(bench) {
    if ((await findProgram(REDIS)) === null) {
      bench.note(`not measured: limits that processes share need Redis; try: ${installCommand(REDIS)}`)
      return [rowOf(MEASURE, '×', new Map(), GOAL)]
    }
    const { gateway } = bench
    const apiKey = await limitedKey(gateway)
    const limited: Contender = { ...gateway, headers: bearer(apiKey), account: createAccount() }
    await microsPerRequest(bench, gateway, gateway.warmUpSeconds)
    await microsPerRequest(bench, limited, gateway.warmUpSeconds)
    const ratios: number[] = []
    for (let pair = 0; pair < bench.pairs * PAIRS_TIMES; pair += 1) {
      // Whoever comes second has the warmer, or the more throttled, machine.
      const limitedFirst = pair % 2 === 1
      const before = limitedFirst ? await microsPerRequest(bench, limited, WARM_UP_SECONDS) : null
      const none = await microsPerRequest(bench, gateway, WARM_UP_SECONDS)
      const all = before ?? (await microsPerRequest(bench, limited, WARM_UP_SECONDS))
      ratios.push(all / none)
      bench.note(
        `pair ${pair + 1}: none ${none.toFixed(1)} µs, all ${all.toFixed(1)} µs per request, ${(all / none).toFixed(3)}×`,
      )
    }
    bench.note(await checkBill(gateway.gateway, apiKey, limited.account))
    const { min, median, max } = spread(ratios)
    bench.note(
      `all limits to none: ${min.toFixed(3)} – ${median.toFixed(3)} – ${max.toFixed(3)}×, goal ≤ ${GOAL.atMost}×`,
    )
    return [rowOf(MEASURE, '×', new Map([['gateway', ratios]]), GOAL)]
  },
}

/** A key that is limited in every way, of a tenant and an environment that are. */
async function limitedKey({ gateway: { client } }: GatewayContender): Promise<string> {
  const { body: created } = await client.tenants.create({
    body: {
      name: 'Limited',
      email: 'limited@example.com',
      tier: 'enterprise',
      max_monthly_spend_usd: BUDGET_USD,
      ...LIMITS,
    },
  })
  const { id } = created.tenant
  const { body: environment } = await client.environments.create({
    params: { id },
    body: { name: 'limited', ...LIMITS },
  })
  const { body: key } = await client.tenantApiKeys.create({
    params: { id },
    body: { name: 'Limited', environment: environment.id, ...LIMITS },
  })
  return key.key
}

async function microsPerRequest(bench: Bench, contender: Contender, warmUpSeconds: number): Promise<number> {
  const { connections, load } = smallRequests
  await using session = await connectTo(bench.load, contender, connections)
  await session.run(load(contender, warmUpSeconds))
  const { result, proxyMicros } = await readCpu(contender, () => session.run(load(contender, bench.seconds)))
  return proxyMicros / result.completed
}
