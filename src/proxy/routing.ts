import { createPolicy, type Policy, type PolicyRequest } from '../core/policies/policy.js'
import type { NodeLive, Snapshot, SnapshotModel, SnapshotRoute, Strategy } from '../core/snapshot.js'
import { collectCandidates } from './candidates.js'
import { Target } from './target.js'

/** A model with its way to the nodes. */
export interface ModelRoute {
  readonly model: SnapshotModel
  readonly route: SnapshotRoute
  readonly targets: readonly Target[]
  readonly policy: Policy
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
  /** Models that have a node which is not terminated, in the catalogue's order. */
  models(): readonly ModelRoute[]
  /**
   * The target for a request, by the route's policy, among those that may be asked.
   * @param tried targets that this request has failed at
   */
  pick(
    route: ModelRoute,
    request: PolicyRequest,
    tried: readonly Target[],
  ): Target | 'no_healthy_node' | 'overloaded'
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
  let targets = new Map<string, Target>()
  const policies = new Map<string, { readonly strategy: Strategy; readonly policy: Policy }>()
  /** Reused for every pick: a policy must not keep it. */
  const candidates: Target[] = []

  function policyOf(route: SnapshotRoute): Policy {
    const known = policies.get(route.modelId)
    if (known?.strategy === route.strategy) return known.policy
    const policy = createPolicy(route.strategy)
    policies.set(route.modelId, { strategy: route.strategy, policy })
    return policy
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
        nextRoutes.push({ model, route, targets: own, policy: policyOf(route) })
      }
      routes = nextRoutes
      targets = nextTargets
      byName = new Map(
        routes.flatMap((route) => [route.model.name, ...route.model.aliases].map((name) => [name, route])),
      )
      for (const modelId of policies.keys()) if (!settings.has(modelId)) policies.delete(modelId)
      version = snapshot.version
    },
    applyLive(live) {
      const nowMs = now()
      for (const target of targets.values()) target.observeLive(live.get(target.id) ?? null, nowMs)
    },
    find: (name) => byName.get(name),
    models: () => routes.filter((route) => route.targets.length > 0),
    pick(route, request, tried) {
      const refusal = collectCandidates(route.targets, tried, now(), candidates)
      if (refusal !== null) return refusal
      return route.policy(candidates, request, random)
    },
  }
}
