import { type NextNode, nextNode } from '../core/cold-start.js'
import { GatewayError } from '../core/errors.js'
import type { ChosenBy, ConsideredNode } from '../core/explanation.js'
import type { QueuePlace, Waiter } from './request-queue.js'
import type { RoutedRequest } from './routed-request.js'
import type { ModelRoute, Router } from './routing.js'
import type { Target } from './target.js'
import { inVain, isCold, noNodeError, noNodeNow } from './waiting-room.js'

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

/** A model of which no node serves while one is on its way. */
interface ColdRoute {
  readonly route: ModelRoute
  readonly next: NextNode & { readonly kind: 'coming' }
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
  /** What it waits for is that a node is launched. */
  #waitsForLaunch = false
  #only: ModelRoute | null = null

  constructor(options: PlacingOptions) {
    this.#options = options
    this.tenantId = options.tenantId
    this.weight = options.weight
    this.explained = options.explained
  }

  /**
   * When the wait has been long enough, in `performance.now()` milliseconds. To be asked again then: for a model of which
   * no node serves any more it is longer.
   */
  waitsUntil(): number {
    if (this.#waitsFor === null) return Infinity
    const route = this.#current(this.#waitsFor)
    if (!this.#waitsForLaunch && this.#coldRoute(route, false) !== null) {
      this.#waitsForLaunch = true
      route.traffic.queue.voidPace()
    }
    const { maxWaitMs, coldStartMaxWaitMs } = route.route.queue
    return this.#waitsSince + (this.#waitsForLaunch ? Math.max(coldStartMaxWaitMs, maxWaitMs) : maxWaitMs)
  }

  /** Why what it waits for does not come any more; null: it may. */
  inVain(): GatewayError | null {
    const waitsFor = this.#waitsFor
    if (waitsFor === null || !this.#waitsForLaunch) return null
    const route = this.#options.router.byId(waitsFor.model.id)
    return route === undefined ? noNodeError({ kind: 'none' }) : inVain(route, Date.now())
  }

  /** What the client is told when the wait has been long enough. */
  tooLong(): GatewayError {
    const waitsFor = this.#waitsFor
    const cold = waitsFor === null ? null : this.#coldRoute(this.#current(waitsFor), false)
    return cold === null ? new GatewayError('overloaded') : noNodeError(cold.next)
  }

  /**
   * A node that has room; or a place in a queue, which ends in `onPlaced` unless it is left.
   * @param again it has been at a node before: it waits in front
   */
  place(again: boolean): Placed | 'waiting' | GatewayError {
    let refusal: GatewayError | null = null
    let cold: ColdRoute | null = null
    for (const route of this.#routes()) {
      const { queue } = route.traffic
      // Who comes now does not overtake those who wait.
      const isInLine = !again && queue.hasLine
      const found = isInLine ? this.#inLine(route) : this.#pick(route, 0)
      if (typeof found !== 'string') {
        noteUnserved(cold)
        return found
      }
      const coming = found === 'no_healthy_node' || isInLine ? this.#coldRoute(route, again) : null
      if (coming !== null) {
        // A model that stands in for it may serve at once.
        cold ??= coming
        continue
      }
      if (found === 'no_healthy_node' && !this.#mayComeBack(route)) continue
      if (!this.#options.waits) return new GatewayError('overloaded')
      const place = again ? queue.enterAgain(this) : queue.enter(this, route.route.queue)
      if (place !== null) {
        noteUnserved(cold)
        return this.#wait(route, place, false)
      }
      const expectedMs = queue.expectedWaitMs(this.tenantId, this.weight)
      const code = route.route.queue.maxDepth === 0 ? 'overloaded' : 'queue_full'
      refusal ??= new GatewayError(code, expectedMs > 0 ? { retryAfterMs: Math.ceil(expectedMs) } : {})
    }
    if (cold !== null) return this.#waitForLaunch(cold, again, refusal)
    return refusal ?? noNodeNow(this.#ownRoute(), Date.now())
  }

  tryPlace(): boolean {
    const route = this.#waitsFor
    if (route === null) return false
    const found = this.#pick(this.#current(route), performance.now() - this.#waitsSince)
    if (typeof found === 'string') return false
    this.#place = null
    this.#waitsFor = null
    this.#waitsForLaunch = false
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
    this.#waitsForLaunch = false
  }

  /** What is under way for the model that was asked for. */
  get traffic(): ModelRoute['traffic'] {
    return this.#options.route.traffic
  }

  /** Why one is not placed who has others in front. */
  #inLine(route: ModelRoute): 'no_healthy_node' | 'overloaded' {
    return isCold(route, true, Date.now()) ? 'no_healthy_node' : 'overloaded'
  }

  #wait(route: ModelRoute, place: QueuePlace, forLaunch: boolean): 'waiting' {
    this.position ??= place.position
    this.#place = place
    this.#waitsFor = route
    this.#waitsSince = performance.now()
    this.#waitsForLaunch = forLaunch
    return 'waiting'
  }

  /** @param refusal what another model said that stands in: it has nodes, and room sooner than there is a new one */
  #waitForLaunch(
    { route, next }: ColdRoute,
    again: boolean,
    refusal: GatewayError | null,
  ): 'waiting' | GatewayError {
    const { queue, demand } = route.traffic
    const { maxDepth, coldStartMaxWaitMs } = route.route.queue
    const isSoon = maxDepth > 0 && next.ms <= coldStartMaxWaitMs
    const place = !isSoon ? null : again ? queue.enterAgain(this) : queue.enterCold(this, maxDepth)
    if (place !== null) return this.#wait(route, place, true)
    demand.unserved(Date.now())
    if (refusal !== null) return refusal
    return isSoon ? new GatewayError('queue_full', { retryAfterMs: next.ms }) : noNodeError(next)
  }

  /** Null: a node serves, or none is on its way, or there is no waiting for it. */
  #coldRoute(route: ModelRoute, again: boolean): ColdRoute | null {
    const nowMs = Date.now()
    if (!this.#options.waits || !isCold(route, again, nowMs)) return null
    const next = nextNode(route.deployments, nowMs)
    return next.kind === 'coming' ? { route, next } : null
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

  #ownRoute(): ModelRoute {
    return this.#current(this.#only ?? this.#options.route)
  }

  #routes(): ModelRoute[] {
    const own = this.#ownRoute()
    const ids = own.route.fallbackModelIds
    if (ids.length === 0 || !this.#options.waits || this.#only !== null) return [own]
    return [own, ...ids.flatMap((id) => this.#options.router.byId(id) ?? [])]
  }
}

/** Somebody else serves the request: the next one is to find a node of the model itself. */
function noteUnserved(cold: ColdRoute | null): void {
  cold?.route.traffic.demand.unserved(Date.now())
}
