import { brings } from '../core/cold-start.js'
import type { ModelReport } from '../core/load-report.js'
import { createPolicy, type Policy, type PolicyRequest } from '../core/policies/policy.js'
import { stickyPick } from '../core/policies/sticky.js'
import type { ChosenBy, ConsideredNode } from '../core/explanation.js'
import type {
  NodeLive,
  Snapshot,
  SnapshotDeployment,
  SnapshotModel,
  SnapshotRoute,
  Strategy,
} from '../core/snapshot.js'
import { collectCandidates } from './candidates.js'
import { ModelDemand } from './model-demand.js'
import { RequestQueue } from './request-queue.js'
import { RetryBudget } from './retry-budget.js'
import { Target } from './target.js'

/** What routing may know of a request. */
export interface Routable extends PolicyRequest {
  /** A number that the requests of one session share; null: it belongs to none. */
  readonly session: number | null
}

/** A model with its way to the nodes. */
export interface ModelRoute {
  readonly model: SnapshotModel
  readonly route: SnapshotRoute
  readonly targets: readonly Target[]
  /** Those that are not over. */
  readonly deployments: readonly SnapshotDeployment[]
  readonly policy: Policy
  readonly traffic: ModelTraffic
}

/** What is under way for a model; lives on over snapshots. */
export interface ModelTraffic {
  readonly queue: RequestQueue
  readonly demand: ModelDemand
  readonly retries: RetryBudget
}

export interface Router {
  /** Version of the snapshot that is served; -1 before the first. */
  readonly version: number
  /** Replaces the routing table; live state of targets that stay is kept, requests under way are untouched. */
  apply(snapshot: Snapshot): void
  /** Takes over what the leader saw of the nodes, by node id. */
  applyLive(live: ReadonlyMap<string, NodeLive>): void
  /** By name or alias. */
  find(name: string): ModelRoute | undefined
  byId(modelId: string): ModelRoute | undefined
  /** Models that have a node which is not terminated, or a deployment that brings one, in the catalogue's order. */
  models(): readonly ModelRoute[]
  /**
   * The target for a request, by the route's policy, among those that may be asked.
   * @param tried targets that this request has failed at
   */
  pick(
    route: ModelRoute,
    request: Routable,
    tried: readonly Target[],
  ): Target | 'no_healthy_node' | 'overloaded'
  /** How the route picks a target for such a request. */
  chooses(route: ModelRoute, request: Routable): ChosenBy
  /** What the targets of a route look like to a request, for those who ask why. */
  consider(route: ModelRoute, tried: readonly Target[]): ConsideredNode[]
  /**
   * What is wanted of the models.
   * @param isRepeated whether that is to be told which has been before
   */
  demand(nowMs: number, isRepeated: boolean): ModelReport[]
  /** Places requests that wait where there is room by now. */
  dispatch(): void
  readonly targets: ReadonlyMap<string, Target>
}

export interface RouterOptions {
  /** Unix milliseconds. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
}

export function createRouter({ now, random }: RouterOptions): Router {
  let version = -1
  let routes: ModelRoute[] = []
  let byName = new Map<string, ModelRoute>()
  let byId = new Map<string, ModelRoute>()
  let targets = new Map<string, Target>()
  const policies = new Map<string, { readonly strategy: Strategy; readonly policy: Policy }>()
  const traffic = new Map<string, ModelTraffic>()
  /** Reused for every pick: a policy must not keep it. */
  const candidates: Target[] = []

  function policyOf(route: SnapshotRoute): Policy {
    const known = policies.get(route.modelId)
    if (known?.strategy === route.strategy) return known.policy
    const policy = createPolicy(route.strategy)
    policies.set(route.modelId, { strategy: route.strategy, policy })
    return policy
  }

  function trafficOf(modelId: string): ModelTraffic {
    let known = traffic.get(modelId)
    if (known === undefined) {
      known = {
        queue: new RequestQueue(() => performance.now()),
        demand: new ModelDemand(),
        retries: new RetryBudget(),
      }
      traffic.set(modelId, known)
    }
    return known
  }

  return {
    get version() {
      return version
    },
    get targets() {
      return targets
    },
    apply(snapshot) {
      const settings = new Map(snapshot.routes.map((route) => [route.modelId, route]))
      const nextTargets = new Map<string, Target>()
      const nextRoutes: ModelRoute[] = []
      for (const model of snapshot.models) {
        const route = settings.get(model.id)
        if (route === undefined) throw new Error(`The snapshot has no route for model ${model.name}.`)
        const own: Target[] = []
        for (const node of snapshot.nodes) {
          if (node.modelId !== model.id) continue
          const target =
            targets.get(node.id) ?? new Target(node, model, route, { random, joins: version >= 0 })
          target.update(node, model, route)
          nextTargets.set(node.id, target)
          own.push(target)
        }
        nextRoutes.push({
          model,
          route,
          targets: own,
          deployments: snapshot.deployments.filter(({ modelId }) => modelId === model.id),
          policy: policyOf(route),
          traffic: trafficOf(model.id),
        })
      }
      routes = nextRoutes
      targets = nextTargets
      byId = new Map(routes.map((route) => [route.model.id, route]))
      byName = new Map(
        routes.flatMap((route) => [route.model.name, ...route.model.aliases].map((name) => [name, route])),
      )
      for (const modelId of policies.keys()) if (!settings.has(modelId)) policies.delete(modelId)
      for (const modelId of traffic.keys()) if (!settings.has(modelId)) traffic.delete(modelId)
      version = snapshot.version
    },
    applyLive(live) {
      const nowMs = now()
      for (const target of targets.values()) target.observeLive(live.get(target.id) ?? null, nowMs)
    },
    find: (name) => byName.get(name),
    byId: (modelId) => byId.get(modelId),
    models: () => routes.filter(isOffered),
    pick(route, request, tried) {
      const refusal = collectCandidates(route.targets, tried, now(), candidates)
      if (refusal !== null) return refusal
      if (route.route.stickySessions && request.session !== null)
        return stickyPick(candidates, request.session)
      return route.policy(candidates, request, random)
    },
    chooses: ({ route }, request) =>
      route.stickySessions && request.session !== null ? 'sticky' : route.strategy,
    consider(route, tried) {
      const nowMs = now()
      return route.targets.map((target) => ({
        nodeId: target.id,
        node: target.node.clusterName,
        unavailable: tried.includes(target) ? 'tried' : target.unavailable(nowMs),
        load: target.load,
        predictedTtftMs: target.predictedTtftMs,
        weight: target.weight,
        warmth: target.warmth,
      }))
    },
    demand: (nowMs, isRepeated) =>
      [...traffic].flatMap(
        ([modelId, { queue, demand }]) => demand.report(modelId, queue.size, nowMs, isRepeated) ?? [],
      ),
    dispatch() {
      for (const { queue } of traffic.values()) queue.dispatch()
    },
  }
}

/** Whether the model can be called: one that sleeps is woken by it. */
export function isOffered({ targets, deployments }: ModelRoute): boolean {
  return targets.length > 0 || deployments.some(brings)
}
