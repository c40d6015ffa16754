import { GatewayError } from '../core/errors.js'
import type { ChosenBy, ConsideredNode } from '../core/explanation.js'
import type { QueuePlace, Waiter } from './request-queue.js'
import type { RoutedRequest } from './routed-request.js'
import type { ModelRoute, Router } from './routing.js'
import type { Target } from './target.js'

/** A node for a request. */
export interface Placed {
  readonly route: ModelRoute
  readonly target: Target
  readonly considered: readonly ConsideredNode[]
  readonly chosenBy: ChosenBy
  /** Milliseconds waited in a queue for it. */
  readonly queuedMs: number
}

export interface PlacingOptions {
  readonly router: Router
  readonly route: ModelRoute
  readonly request: RoutedRequest
  readonly tenantId: string
  /** The tenant's share of turns in a queue. */
  readonly weight: number
  /** Whether what there was to choose from is to be told. */
  readonly explained: boolean
  /** Whether it may wait, and other models stand in for its own. */
  readonly waits: boolean
  /** Hears of a node that was waited for. */
  readonly onPlaced: (placed: Placed) => void
}

/** Where one request may go: its model, then the models that stand in for it; at once, or when there is room. */
export class Placing implements Waiter {
  readonly tenantId: string
  readonly weight: number
  /** Nodes that have failed this request. */
  readonly tried: Target[] = []
  /** Its place when it first had to wait; null: it never had. */
  position: number | null = null
  explained: boolean
  readonly #options: PlacingOptions
  #place: QueuePlace | null = null
  #waitsFor: ModelRoute | null = null
  #waitsSince = 0
  #only: ModelRoute | null = null

  constructor(options: PlacingOptions) {
    this.#options = options
    this.tenantId = options.tenantId
    this.weight = options.weight
    this.explained = options.explained
  }

  /** When the wait has been long enough, in `performance.now()` milliseconds. */
  get waitsUntil(): number {
    return this.#waitsFor === null ? Infinity : this.#waitsSince + this.#waitsFor.route.queue.maxWaitMs
  }

  /**
   * A node that has room; or a place in a queue, which ends in `onPlaced` unless it is left.
   * @param again it has been at a node before: it waits in front
   */
  place(again: boolean): Placed | 'waiting' | GatewayError {
    let refusal: GatewayError | null = null
    for (const route of this.#routes()) {
      const { queue } = route.traffic
      // Who comes now does not overtake those who wait.
      const found = !again && queue.hasLine ? 'overloaded' : this.#pick(route, 0)
      if (typeof found !== 'string') return found
      if (found === 'no_healthy_node' && !this.#mayComeBack(route)) continue
      if (!this.#options.waits) return new GatewayError('overloaded')
      const place = again ? queue.enterAgain(this) : queue.enter(this, route.route.queue)
      if (place !== null) {
        this.position ??= place.position
        this.#place = place
        this.#waitsFor = route
        this.#waitsSince = performance.now()
        return 'waiting'
      }
      const expectedMs = queue.expectedWaitMs(this.tenantId, this.weight)
      const code = route.route.queue.maxDepth === 0 ? 'overloaded' : 'queue_full'
      refusal ??= new GatewayError(code, expectedMs > 0 ? { retryAfterMs: Math.ceil(expectedMs) } : {})
    }
    return refusal ?? new GatewayError('no_healthy_node')
  }

  tryPlace(): boolean {
    const route = this.#waitsFor
    if (route === null) return false
    const found = this.#pick(this.#current(route), performance.now() - this.#waitsSince)
    if (typeof found === 'string') return false
    this.#place = null
    this.#waitsFor = null
    this.#options.onPlaced(found)
    return true
  }

  /**
   * No other model's node will do from now on.
   * @param tried nodes that will not do either
   */
  stayWith(route: ModelRoute, tried: readonly Target[]): void {
    this.#only = route
    this.tried.splice(0, this.tried.length, ...tried)
  }

  /** Gives up a place in a queue; repeatable. */
  leave(): void {
    this.#place?.leave()
    this.#place = null
    this.#waitsFor = null
  }

  /** What is under way for the model that was asked for. */
  get traffic(): ModelRoute['traffic'] {
    return this.#options.route.traffic
  }

  /** A stream that has broken off is worth a wait for a node that is merely doubted at the moment. */
  #mayComeBack(route: ModelRoute): boolean {
    return (
      this.#only !== null && route.targets.some((target) => target.serving && !this.tried.includes(target))
    )
  }

  #pick(route: ModelRoute, queuedMs: number): Placed | 'no_healthy_node' | 'overloaded' {
    const { router, request } = this.#options
    const target = router.pick(route, request, this.tried)
    if (typeof target === 'string') return target
    const considered = this.explained ? router.consider(route, this.tried) : []
    return { route, target, considered, chosenBy: router.chooses(route, request), queuedMs }
  }

  /** The route as it is by now. */
  #current(route: ModelRoute): ModelRoute {
    return this.#options.router.byId(route.model.id) ?? route
  }

  #routes(): ModelRoute[] {
    const own = this.#current(this.#only ?? this.#options.route)
    const ids = own.route.fallbackModelIds
    if (ids.length === 0 || !this.#options.waits || this.#only !== null) return [own]
    return [own, ...ids.flatMap((id) => this.#options.router.byId(id) ?? [])]
  }
}
