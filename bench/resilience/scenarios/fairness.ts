import { addModel, setUpModel, startGateway, untilServed } from '../../gateway.js'
import { startSimulatedNode } from '../../nodes.js'
import { seededRandom } from '../../nodes/random.js'
import { quantile, spread } from '../../statistics.js'
import { MODEL, setRoute } from '../bed.js'
import { floodUnder } from '../flood.js'
import { LoadClient, type ClientView } from '../load-client.js'
import type { Scenario } from '../measure.js'

const SLOTS = 10
const TENANTS = 9
/** Fifty times a tenant's share of the slots. */
const FLOOD_AT_ONCE = 50
const FLOOD = 500
const EACH = 15
/** As many as there are slots: one of these is freed with each token. */
const TOKENS = SLOTS
const ITL_MS = 20
const SHARED = `${MODEL}-shared`

const e2eMs = ({ sentAtMs, arrivals }: ClientView): number => (arrivals.at(-1)?.atMs ?? Number.NaN) - sentAtMs

/** One tenant with far more than its share, nine with less than theirs, at a model whose slots are full. */
export const fairness: Scenario = {
  name: 'fairness',
  title: `${SLOTS} slots, one tenant floods with ${FLOOD} requests at once (${FLOOD_AT_ONCE}× its share for as long as it lasts), ${TENANTS} behave`,
  async run(note) {
    await using node = await startSimulatedNode({ models: [MODEL, SHARED] })
    await using gateway = await startGateway()
    const apiKey = await setUpModel(gateway, MODEL, [node.url])
    await addModel(gateway, SHARED, [node.url], 'shared')
    await gateway.client.nodes.patch({
      params: { cluster_name: 'shared-1' },
      body: { max_concurrency: SLOTS },
    })
    await setRoute(gateway, SHARED, { queue: { max_depth: 1_000, max_wait_ms: 120_000 } })
    await untilServed(gateway, apiKey, SHARED)
    const newClient = async (at: number) => {
      const { body } = await gateway.client.tenants.create({
        body: { name: `Tenant ${at}`, email: `tenant-${at}@example.com`, tier: 'enterprise' },
      })
      return new LoadClient(gateway.tenantPort, body.api_key)
    }
    const [flooding, ...behaving] = await Promise.all(
      Array.from({ length: TENANTS + 1 }, (_, at) => newClient(at)),
    )
    if (flooding === undefined) throw new RangeError('there is no tenant')

    const request = {
      path: '/v1/chat/completions' as const,
      body: { model: SHARED, max_tokens: TOKENS, sim_ttft_ms: ITL_MS, sim_itl_ms: ITL_MS },
    }
    const alone: number[] = []
    for (let at = 0; at < 20; at++) {
      const body = { ...request.body, messages: [{ role: 'user', content: `Alone ${at}` }] }
      alone.push(e2eMs(await flooding.send({ path: request.path, body, leave: null })))
    }
    const serviceMs = spread(alone).median
    const random = seededRandom(61)
    const { flood, nine } = await floodUnder({
      flooding,
      behaving,
      flood: FLOOD,
      each: EACH,
      request,
      arrived: () => node.ledger.size,
      // Slots are freed one after the other then, as they are once a model has been full for a while.
      floodFields: (at) => (at < SLOTS ? { max_tokens: at + 1 } : {}),
      // Less than its share of the slots: a tenant has one request at a time, and pauses.
      pauseMs: () => random() * 4 * serviceMs,
    })
    for (const client of [flooding, ...behaving]) client[Symbol.dispose]()
    const waits = nine.map(({ view }) => Math.max(0, e2eMs(view) - serviceMs)).sort((a, b) => a - b)
    const floodWaits = flood.map((view) => e2eMs(view) - serviceMs).sort((a, b) => a - b)
    const refused = [...flood, ...nine.map(({ view }) => view)].filter(({ status }) => status !== 200).length
    note(
      `a request takes ${serviceMs.toFixed(0)} ms when it need not wait; ${nine.length} requests of the nine waited ` +
        `${quantile(waits, 0.5).toFixed(0)} ms (p50), the flood ${quantile(floodWaits, 0.5).toFixed(0)} ms`,
    )
    return [
      {
        what: 'p99 wait of the nine, in service times ÷ slots',
        unit: '×',
        figure: quantile(waits, 0.99) / (serviceMs / SLOTS),
        atMost: 3,
      },
      { what: 'p99 wait of the nine', unit: 'ms', figure: quantile(waits, 0.99), atMost: null },
      { what: 'requests refused or failed', unit: '', figure: refused, atMost: 0 },
    ]
  },
}
