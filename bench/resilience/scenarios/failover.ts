import { setTimeout as sleep } from 'node:timers/promises'
import { HEALTH_CHECK, MODEL, serveModel, setFault, startBed, type Bed } from '../bed.js'
import { failedAtFirst, ttftMs, ttftQuantile } from '../first-token.js'
import type { ClientView, LoadClient, PlannedRequest } from '../load-client.js'
import type { Measure, Scenario } from '../measure.js'

/** Retried requests to be timed for each failure, out of so many at most. */
const WANTED = 30
const MOST = 600
const FAILURES = ['refuse', 'garbage', 'http_500', 'http_503'] as const
/** A node that refuses connections is back after that. */
const AWAY_MS = 40
const ROUTE = {
  strategy: 'round-robin',
  retry: { attempts: 3, budget_percent: 100 },
  health_check: HEALTH_CHECK,
}

function modelOf(kind: (typeof FAILURES)[number]): string {
  return `${MODEL}-${kind.replaceAll('_', '-')}`
}

function planned(model: string, at: number): PlannedRequest {
  const messages = [{ role: 'user', content: `Request ${at}` }]
  return { path: '/v1/chat/completions', body: { model, stream: true, max_tokens: 3, messages }, leave: null }
}

async function healthyTtft(client: LoadClient): Promise<number> {
  const views: ClientView[] = []
  for (let at = 0; at < 200; at++) views.push(await client.send(planned(MODEL, at)))
  return ttftQuantile(views, 0.5)
}

/** Requests one by one to two nodes of which one fails once, whenever it is the turn of a request to meet it. */
async function retried(bed: Bed, kind: (typeof FAILURES)[number]): Promise<ClientView[]> {
  const { nodes, client } = bed
  // A model of its own: what the gateway has learnt of the nodes' failures does not follow.
  const model = modelOf(kind)
  await serveModel(bed, model, nodes, ROUTE)
  const [victim] = nodes
  if (victim === undefined) throw new RangeError('there is no node')
  const views: ClientView[] = []
  for (let at = 0; at < MOST && views.length < WANTED; at++) {
    await setFault(victim, kind === 'refuse' ? { kind, ms: AWAY_MS } : { kind, times: 1 })
    const view = await client.send(planned(model, at))
    if (kind === 'refuse') await sleep(2 * AWAY_MS)
    if ((view.attempts ?? 1) > 1 || failedAtFirst(view)) views.push(view)
  }
  await fetch(`${victim.url}/faults`, { method: 'DELETE' })
  return views
}

/** How long after a failure the first token is there. */
export const failover: Scenario = {
  name: 'failover',
  title: 'first token of a retried request after the failure was seen, less the TTFT of a healthy one',
  async run(note) {
    await using bed = await startBed({
      nodes: 2,
      nodeArgs: FAILURES.flatMap((kind) => ['--model', modelOf(kind)]),
      route: ROUTE,
    })
    const healthy = await healthyTtft(bed.client)
    note(`a healthy request has its first token after ${healthy.toFixed(1)} ms (median)`)
    const measures: Measure[] = []
    let failed = 0
    for (const kind of FAILURES) {
      const views = await retried(bed, kind)
      failed += views.filter(failedAtFirst).length
      // These failures come at once, so that all the time is the gateway's.
      const times = views.flatMap((view) => (failedAtFirst(view) ? [] : (ttftMs(view) ?? [])))
      note(`${kind}: ${times.length} requests were retried`)
      if (times.length === 0) continue
      measures.push({
        what: `${kind}: slowest first token after the failure`,
        unit: 'ms',
        figure: Math.max(...times) - healthy,
        atMost: 50,
      })
    }
    return [...measures, { what: 'requests that failed', unit: '', figure: failed, atMost: 0 }]
  },
}
