import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../nodes/random.js'
import { HEALTH_CHECK, MODEL, setFault, startBed } from '../bed.js'
import { failedAtFirst, ttftQuantile } from '../first-token.js'
import type { ClientView, LoadClient } from '../load-client.js'
import type { Scenario } from '../measure.js'
import { streamFault } from '../stream-answer.js'
import { expectedOf, planStreams } from '../stream-plan.js'

const STREAMS = 200
const WARM_UP_MS = 5_000
const RUN_MS = 25_000
const ROUTE = { strategy: 'least-latency', health_check: HEALTH_CHECK }

/** Runs streams for a time and leaves them to their end. */
async function streamsFor(client: LoadClient, ms: number, seed: number): Promise<ClientView[]> {
  const plan = planStreams({
    model: MODEL,
    tokens: { least: 40, most: 80 },
    itlMs: 20,
    random: seededRandom(seed),
  })
  const stop = new AbortController()
  const load = client.run(plan, () => STREAMS, stop.signal)
  await sleep(ms)
  stop.abort()
  return load
}

/** Four nodes of which three misbehave, each in its way. */
export const faults: Scenario = {
  name: 'faults',
  title: `${STREAMS} streams on 4 nodes: one slowed 10×, one flapping at 1 Hz, one whose /health is dead though it serves`,
  async run(note) {
    await using bed = await startBed({
      nodes: 4,
      nodeArgs: ['--ttft-ms', '50', '--max-running', '1000'],
      route: ROUTE,
    })
    const { client, nodes } = bed
    await streamsFor(client, WARM_UP_MS, 1)
    const healthy = await streamsFor(client, RUN_MS, 2)
    const [slow, flapping, liar] = nodes
    if (slow === undefined || flapping === undefined || liar === undefined)
      throw new RangeError('too few nodes')
    await setFault(slow, { kind: 'slow', factor: 10 })
    await setFault(liar, { kind: 'health_down' })
    await setFault(flapping, { kind: 'flap', ms: 1_000 })
    const views = await streamsFor(client, RUN_MS, 3)

    const [before, after] = [ttftQuantile(healthy, 0.99), ttftQuantile(views, 0.99)]
    const retries = views.reduce((sum, { attempts }) => sum + Math.max(0, (attempts ?? 1) - 1), 0)
    const failed = views.filter(failedAtFirst)
    const broken = views.filter(
      (view) => !failedAtFirst(view) && streamFault(view, expectedOf(view.plan)) !== null,
    )
    note(
      `${healthy.length} streams while all was well, TTFT p50 ${ttftQuantile(healthy, 0.5).toFixed(0)}, p99 ${before.toFixed(0)} ms; ` +
        `${views.length} with the faults, p50 ${ttftQuantile(views, 0.5).toFixed(0)}, p99 ${after.toFixed(0)} ms`,
    )
    const [first] = failed
    if (first !== undefined) note(`the first that failed: ${first.status ?? 'no reply'} ${first.text}`)
    return [
      { what: 'client errors before the first byte', unit: '', figure: failed.length, atMost: 0 },
      { what: 'streams broken later', unit: '', figure: broken.length, atMost: 0 },
      { what: 'p99 TTFT to that of healthy nodes', unit: '×', figure: after / before, atMost: 2 },
      { what: 'retries of requests', unit: '%', figure: (100 * retries) / views.length, atMost: 20 },
    ]
  },
}
