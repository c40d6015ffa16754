import { startGateway, setUpModel, untilServed, type Gateway } from '../../gateway.js'
import { startNodeFleet } from '../../node-fleet.js'
import { seededRandom } from '../../nodes/random.js'
import { MODEL } from '../bed.js'
import { LoadClient } from '../load-client.js'
import type { Scenario } from '../measure.js'
import { restartUnderStreams } from '../rolling-restart.js'
import { startSharedStores, type SharedStores } from '../shared-stores.js'
import { streamFault } from '../stream-answer.js'
import { expectedOf, planStreams } from '../stream-plan.js'

const STREAMS = 500
const SECONDS = 60
const TOKENS_PER_SECOND = 5
const PAUSE_MS = 5_000

async function startInstance({ env }: SharedStores) {
  let gateway = await startGateway({ env })
  const ports = { PORT: String(gateway.tenantPort), ADMIN_PORT: new URL(gateway.adminUrl).port }
  return {
    get gateway(): Gateway {
      return gateway
    },
    async restart() {
      gateway.process.kill('SIGTERM')
      const { code } = await gateway.process.exited
      await gateway[Symbol.asyncDispose]()
      if (code !== 0) throw new Error(`an instance ended with ${code}: ${gateway.process.stderr()}`)
      gateway = await startGateway({ env: { ...env, ...ports } })
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

/** Two instances, restarted one after the other while streams run that are as long as a minute. */
export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  title: `rolling restart of two instances under ${STREAMS} streams of ${SECONDS} s`,
  async run(note) {
    await using stores = await startSharedStores()
    await using nodes = await startNodeFleet(['--count', '2', '--model', MODEL, '--max-running', '1000'])
    await using first = await startInstance(stores)
    const apiKey = await setUpModel(first.gateway, MODEL, nodes.urls)
    await using second = await startInstance(stores)
    await untilServed(second.gateway, apiKey, MODEL)
    using clientOfFirst = new LoadClient(first.gateway.tenantPort, apiKey)
    using clientOfSecond = new LoadClient(second.gateway.tenantPort, apiKey)
    const tokens = SECONDS * TOKENS_PER_SECOND
    const startedAt = performance.now()
    const { views, turnedAway } = await restartUnderStreams({
      instances: [
        { client: clientOfFirst, restart: () => first.restart() },
        { client: clientOfSecond, restart: () => second.restart() },
      ],
      rounds: 1,
      streams: STREAMS,
      plan: planStreams({
        model: MODEL,
        tokens: { least: tokens, most: tokens },
        itlMs: 1000 / TOKENS_PER_SECOND,
        random: seededRandom(51),
      }),
      pauseMs: PAUSE_MS,
    })
    const faults = views.flatMap((view) => streamFault(view, expectedOf(view.plan)) ?? [])
    note(
      `${views.length} streams in ${((performance.now() - startedAt) / 1000).toFixed(0)} s; ` +
        `${turnedAway} times an instance turned a new request away and the other one took it`,
    )
    if (faults[0] !== undefined) note(`the first break: ${faults[0]}`)
    return [{ what: 'streams broken', unit: '', figure: faults.length, atMost: 0 }]
  },
}
