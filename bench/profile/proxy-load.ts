import { startGatewayContender } from '../compare/contenders/gateway-contender.js'
import { startLoadGenerator } from '../compare/load/generator.js'
import { MODEL } from '../compare/scenarios/chat.js'
import type { CpuLoad } from '../compare/scenarios/cpu.js'
import { connectTo } from '../compare/session.js'
import { NODE_OPTIONS } from '../compare/setting.js'
import type { GatewayProcess } from '../gateway-process.js'
import { startNodeFleet } from '../node-fleet.js'
import { proxyOf } from '../proxy-of.js'
import type { Units } from './report.js'

/** A gateway before simulated nodes, and a load of `bench compare` that can be sent through it. */
export interface ProxyLoad {
  readonly gateway: GatewayProcess
  readonly proxyPid: number
  /** Sends the load for so long. @throws when a request or stream was not as it should be */
  run(seconds: number): Promise<Loaded>
}

/** What was received. */
export interface Loaded extends Units {
  readonly elapsedMs: number
}

/**
 * Starts all that a load needs, does the work, and ends it all.
 * @param env settings of the gateway beside the bench's own
 * @throws when a part does not start, or what the work throws
 */
export async function withProxyLoad<T>(
  { unit, connections, load }: CpuLoad,
  env: Readonly<Record<string, string>>,
  work: (proxyLoad: ProxyLoad) => Promise<T>,
): Promise<T> {
  await using fleet = await startNodeFleet(NODE_OPTIONS)
  await using contender = await startGatewayContender({ model: MODEL, nodeUrls: fleet.urls }, { env })
  await using generator = await startLoadGenerator()
  await using session = await connectTo(generator, contender, connections)
  const gateway = contender.gateway.process
  return await work({
    gateway,
    proxyPid: proxyOf(gateway),
    async run(seconds) {
      const { tokens, completed, elapsedMs } = await session.run(load(contender, seconds))
      return { name: unit, count: unit === 'token' ? tokens : completed, elapsedMs }
    },
  })
}
