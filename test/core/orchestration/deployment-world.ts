import assert from 'node:assert/strict'
import type { DeploymentStatus } from '../../../src/core/deployment-state.js'
import type { LaunchFailureKind } from '../../../src/core/machine.js'
import {
  type DeploymentNode,
  deploymentPlan,
  type DeploymentPlan,
  type DeploymentView,
} from '../../../src/core/orchestration/deployment-plan.js'
import { isGivenUp, launchFailed } from '../../../src/core/orchestration/retry.js'
import { spotAnswered } from '../../../src/core/scaling/spot.js'

const START_MS = 1_800_000_000_000

/** What happens to a deployment; `at` chooses among the nodes that it can happen to. */
export type Event =
  | { readonly kind: 'serve' | 'vanish' }
  | {
      readonly kind: 'node'
      readonly can: (node: DeploymentNode) => boolean
      readonly becomes: Partial<DeploymentNode>
    }
  | { readonly kind: 'fail'; readonly why: LaunchFailureKind }
  | { readonly kind: 'scale'; readonly wanted: number }
  | { readonly kind: 'change' | 'look' }
  | { readonly kind: 'pass'; readonly seconds: number }

const isActive = ({ status }: DeploymentNode) => status === 'active'
const isDraining = ({ status }: DeploymentNode) => status === 'draining'
const isIll = ({ isUnhealthy }: DeploymentNode) => isUnhealthy

/** What happens to single nodes. */
export const NODE_EVENTS: readonly Event[] = [
  { kind: 'node', can: (node) => isActive(node) || isDraining(node), becomes: { status: 'terminating' } },
  { kind: 'node', can: isActive, becomes: { isUnhealthy: true } },
  { kind: 'node', can: isIll, becomes: { isSick: true } },
  { kind: 'node', can: isIll, becomes: { isUnhealthy: false, isSick: false } },
  { kind: 'node', can: isActive, becomes: { status: 'draining', isWarned: true } },
  { kind: 'node', can: isActive, becomes: { status: 'draining' } },
  { kind: 'node', can: isDraining, becomes: { status: 'active', isWarned: false } },
  { kind: 'vanish' },
]

export function serves({ status, isUnhealthy }: DeploymentNode): boolean {
  return status === 'active' && !isUnhealthy
}

/** Counts as one of those that are wanted, as the documentation says it. */
export function stays({ status, isWarned }: DeploymentNode): boolean {
  return status === 'launching' || status === 'active' || (status === 'draining' && !isWarned)
}

function isDrained(node: DeploymentNode): boolean {
  return node.status === 'draining' && !node.isWarned
}

/** A deployment, its nodes and what a provider makes of them; each look is held against what must always be so. */
export class DeploymentWorld {
  view: DeploymentView
  /** Nodes that were planned. */
  launched = 0
  #sequence = 0

  constructor(changes: Partial<DeploymentView> = {}) {
    this.view = {
      nowMs: START_MS,
      status: 'launching',
      wanted: 2,
      isAsleep: false,
      generation: 1,
      useSpot: false,
      fallbackOnDemandAfterMs: null,
      nodes: [],
      retry: null,
      shortage: null,
      ...changes,
    }
  }

  node(changes: Partial<DeploymentNode> = {}): DeploymentNode {
    return {
      id: `n${String(++this.#sequence).padStart(5, '0')}`,
      status: 'active',
      market: 'on_demand',
      generation: this.view.generation,
      isWarned: false,
      isSick: false,
      isUnhealthy: false,
      streams: 0,
      plannedAtMs: this.view.nowMs,
      ...changes,
    }
  }

  set(changes: Partial<DeploymentView>): void {
    this.view = { ...this.view, ...changes }
  }

  /** Does what the plan says, as the leader does. */
  look(): DeploymentPlan {
    const plan = deploymentPlan(this.view)
    this.#hold(plan)
    const goes = new Set(plan.giveUp.map(({ id }) => id))
    const nodes = this.view.nodes.map((node) =>
      goes.has(node.id) ? ({ ...node, status: 'terminating' } as const) : node,
    )
    this.launched += plan.launch.length
    const planned = plan.launch.map((market) => this.node({ status: 'launching', market }))
    this.set({ nodes: [...planned, ...nodes], status: plan.status })
    return plan
  }

  happen(event: Event, at: number): void {
    const { nowMs, wanted, generation } = this.view
    const begunAnew: DeploymentStatus = this.view.status === 'failed' ? 'scaling' : this.view.status
    switch (event.kind) {
      case 'look':
        this.look()
        return
      case 'pass':
        this.set({ nowMs: nowMs + event.seconds * 1_000 })
        return
      case 'scale':
        this.set({ wanted: event.wanted, retry: null, status: begunAnew })
        return
      case 'change':
        this.set({ generation: generation + 1, wanted, retry: null, status: begunAnew })
        return
      case 'fail':
        this.#fail(at, event.why)
        return
      case 'serve':
        this.#serve(at)
        return
      case 'vanish': {
        const [gone] = this.#chosen(at, ({ status }) => status === 'terminating')
        this.set({ nodes: this.view.nodes.filter((node) => node !== gone) })
        return
      }
      case 'node':
        this.#change(at, event.can, event.becomes)
    }
  }

  #fail(at: number, why: LaunchFailureKind): void {
    const { retry, shortage, nowMs } = this.view
    const [node] = this.#chosen(at, ({ status }) => status === 'launching')
    if (node === undefined) return
    this.#change(at, ({ status }) => status === 'launching', { status: 'failed' })
    const failure = { kind: why, reason: `failed as ${why}` }
    const isShort = node.market === 'spot' && why === 'no_capacity'
    this.set({
      retry: launchFailed(
        retry,
        failure,
        { launchedAtMs: node.plannedAtMs, failedAtMs: nowMs, nowMs },
        () => 0.5,
      ),
      shortage: isShort ? spotAnswered(shortage, 'no_capacity', node.plannedAtMs, nowMs) : shortage,
    })
  }

  #serve(at: number): void {
    const { status: state, shortage } = this.view
    const [node] = this.#chosen(at, ({ status }) => status === 'launching')
    if (node === undefined) return
    this.#change(at, ({ status }) => status === 'launching', { status: 'active' })
    this.set({
      retry: null,
      status: state === 'failed' ? 'scaling' : state,
      shortage: node.market === 'spot' ? null : shortage,
    })
  }

  #chosen(at: number, can: (node: DeploymentNode) => boolean): DeploymentNode[] {
    const able = this.view.nodes.filter(can)
    return able.length === 0 ? [] : able.slice(at % able.length).slice(0, 1)
  }

  #change(at: number, can: (node: DeploymentNode) => boolean, changes: Partial<DeploymentNode>): void {
    const [chosen] = this.#chosen(at, can)
    this.set({ nodes: this.view.nodes.map((node) => (node === chosen ? { ...node, ...changes } : node)) })
  }

  /** What must be so of every plan. */
  #hold({ launch, giveUp }: DeploymentPlan): void {
    const { nodes, wanted, status, retry } = this.view
    const goes = new Set(giveUp.map(({ id }) => id))
    assert.equal(goes.size, giveUp.length, 'a node is given up once')
    for (const { id, why } of giveUp) {
      const node = nodes.find((other) => other.id === id)
      assert.ok(node !== undefined && node.status !== 'terminating' && why !== '')
    }
    if (status === 'draining' || status === 'terminated') {
      assert.deepEqual(launch, [])
      return
    }
    const left = nodes.filter((node) => stays(node) && !goes.has(node.id))
    const most = wanted === 0 ? 0 : wanted + 1
    assert.ok(left.length + launch.length <= most, `${left.length} and ${launch.length} of ${wanted}`)
    if (status === 'failed' || (retry !== null && isGivenUp(retry))) assert.deepEqual(launch, [])
    const drained = left.filter(isDrained).length
    const least = Math.min(nodes.filter(serves).length, wanted - drained)
    assert.ok(left.filter(serves).length >= least, 'nodes that serve are given up though they are needed')
  }
}
