import { ANY_REQUEST, createPolicy } from '../../src/core/policies/policy.js'
import { DEFAULT_ROUTE, type Snapshot, type SnapshotNode, type Strategy } from '../../src/core/snapshot.js'
import { createRouter, type Router } from '../../src/proxy/routing.js'
import { seededRandom } from '../nodes/random.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { sampleId } from './inputs/text.js'
import { turns } from './inputs/turns.js'

const STRATEGIES: readonly Strategy[] = ['round-robin', 'least-connections', 'weighted', 'least-latency']
const COUNTS = [2, 16, 256]
const MODEL = 'llama-3.1-8b-instruct'

function snapshotOf(strategy: Strategy, count: number): Snapshot {
  const modelId = sampleId(1)
  const nodes = Array.from({ length: count }, (_, index): SnapshotNode => ({
    id: sampleId(1_000 + index),
    clusterName: `gpu-a100-${index}`,
    modelId,
    endpointUrl: `http://10.0.${index >> 8}.${index & 255}:8000`,
    upstreamModel: MODEL,
    weight: 1 + (index % 4),
    maxConcurrency: 256,
    apiKey: null,
    engine: 'vllm',
    status: 'active',
  }))
  return {
    version: 1,
    models: [
      {
        id: modelId,
        name: MODEL,
        aliases: [],
        family: 'llama',
        type: 'chat',
        contextLength: 131_072,
        prices: { inputMicros: 150_000, cachedInputMicros: null, outputMicros: 600_000 },
        tokensPerSecond: null,
        createdAt: 1_760_000_000,
      },
    ],
    nodes,
    routes: [{ ...DEFAULT_ROUTE, modelId, strategy }],
    deployments: [],
  }
}

/** A router whose nodes have load and a TTFT, and the route to them. */
function busyRouter(strategy: Strategy, count: number) {
  const random = seededRandom(count)
  const router: Router = createRouter({ now: Date.now, random })
  router.apply(snapshotOf(strategy, count))
  for (const target of router.targets.values()) {
    for (let requests = Math.floor(random() * 32); requests > 0; requests -= 1) target.enter()
    target.observeTtft(50 + random() * 200, Date.now())
  }
  const route = router.find(MODEL)
  if (route === undefined) throw new Error('the model has no route')
  return { router, route, random }
}

function policyCase(strategy: Strategy, count: number): MicroCase {
  return {
    name: `${strategy}, ${count}`,
    operation: `pick by ${strategy} among ${count} targets that may be asked`,
    start() {
      const { route, random } = busyRouter(strategy, count)
      const policy = createPolicy(strategy)
      return {
        run() {
          const picked = policy(route.targets, ANY_REQUEST, random)
          // Loads move, so that the next pick is another.
          picked.enter()
          picked.leave()
          return picked
        },
      }
    },
  }
}

function routerCase(count: number): MicroCase {
  return {
    name: `whole pick, ${count}`,
    operation: `Router.pick by least-latency: who of ${count} targets may be asked, and the policy`,
    start() {
      const { router, route } = busyRouter('least-latency', count)
      return { run: () => router.pick(route, { ...ANY_REQUEST, session: null }, []) }
    },
  }
}

/** Prompts of 4 KB whose first kilobyte every fourth one shares, each asked for over and over. */
function affinityCase(count: number): MicroCase {
  return {
    name: `prefix-affinity, ${count}`,
    operation: `pick by prefix-affinity among ${count} targets for a prompt of 16 blocks`,
    start() {
      const { route, random } = busyRouter('prefix-affinity', count)
      const policy = createPolicy('prefix-affinity')
      const prompts = Array.from({ length: 4_096 }, (_, prompt) =>
        Array.from({ length: 16 }, (_block, at) =>
          Math.floor(2 ** 32 * seededRandom((at < 4 ? prompt % 4 : prompt) * 16 + at)()),
        ),
      )
      const next = turns(prompts.map((hashes) => ({ prefix: () => hashes })))
      return { run: () => policy(route.targets, next(), random) }
    },
  }
}

/** Picking a node. */
export const policies: MicroBench = {
  name: 'policies',
  title: "picking one of the proxy's targets",
  cases: [
    ...STRATEGIES.flatMap((strategy) => COUNTS.map((count) => policyCase(strategy, count))),
    ...[8, 50].map(affinityCase),
    ...COUNTS.map(routerCase),
  ],
}
