import { setUpModel, startGateway, bearer, type Gateway, type GatewayOptions } from '../../gateway.js'
import { checkBill } from '../account.js'
import { contenderOf, type Backends, type RunningContender } from './contender.js'

/** Records are on their way to the analytics store for so long after a load. */
const SETTLE_MS = 1_000
const WARM_UP_SECONDS = 4

/** The gateway as a contender, with what only it has. */
export interface GatewayContender extends RunningContender {
  readonly gateway: Gateway
  readonly apiKey: string
  /** @returns a line that says that the bill is right @throws when it is not */
  checkBill(): Promise<string>
}

/**
 * Starts a gateway of its own with a tenant, the model and its nodes. Its proxy processes count, all their threads
 * included; supervisor, control and stores are apart.
 * @throws when it does not start, or serves no request
 */
export async function startGatewayContender(
  { model, nodeUrls }: Backends,
  options: GatewayOptions = {},
): Promise<GatewayContender> {
  const gateway = await startGateway(options)
  try {
    const apiKey = await setUpModel(gateway, model, nodeUrls)
    const contender = contenderOf({
      name: 'gateway',
      description:
        `this gateway: auth, routing, metering, usage spool, flush into ClickHouse; ` +
        `${options.env?.['PROXY_PROCESSES'] ?? '1'} proxy process`,
      host: gateway.host,
      port: gateway.tenantPort,
      pid: gateway.process.pid,
      model,
      headers: bearer(apiKey),
      groupOf: groupOfTitle,
      warmUpSeconds: WARM_UP_SECONDS,
      settleMs: SETTLE_MS,
    })
    // The request with which it was found to serve.
    contender.account.add({ completed: 1, tokens: 1, failed: 0 })
    return {
      ...contender,
      gateway,
      apiKey,
      checkBill: () => checkBill(gateway, apiKey, contender.account),
      [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
    }
  } catch (error) {
    await gateway[Symbol.asyncDispose]()
    throw error
  }
}

/** The group of one of the gateway's processes, by its title or command line. */
export function groupOfTitle(title: string): string {
  const own = /^crosslogic-(\w+)/.exec(title)?.[1]
  if (own !== undefined) return own
  if (title.includes('postgres')) return 'postgres'
  return /redis|valkey/.test(title) ? 'redis' : 'other'
}
