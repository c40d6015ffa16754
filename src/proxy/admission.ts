import type { RequestHead } from '../core/request-head.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import type { HeldBody } from './body-memory.js'
import type { ClientCall } from './client-reply.js'
import type { Reservation } from './reservation.js'
import type { RoutedRequest } from './routed-request.js'
import type { ModelRoute } from './routing.js'

/** When the ledger of limits was asked, and when it had answered: `performance.now()` milliseconds. */
export interface LimitsWait {
  readonly from: number
  readonly until: number
}

/** A request whose key, size, head and model were found good. */
export interface Admission {
  readonly call: ClientCall
  readonly key: ResolvedKey
  readonly endpoint: UsageEndpoint
  readonly head: RequestHead
  /** Of the model that was asked for: it is billed, whichever serves. */
  readonly asked: ModelRoute
  /** Of the one that is to serve. */
  readonly route: ModelRoute
  readonly request: RoutedRequest
  /** Share of the tenant's turns where requests wait, > 0. */
  readonly weight: number
  /** `performance.now()` when key and body were there. */
  readonly admittedAt: number
  /** Milliseconds spent waiting for the client's body: not ours to answer for. */
  readonly bodyWaitMs: number
  /** What it holds of its key's limits. */
  readonly reservation: Reservation
  /** Null: what it needed was at hand. */
  readonly limitsWait: LimitsWait | null
  /** The memory of the body. */
  readonly held: HeldBody
  /** Nobody reads the answer: it gets a node at once or none, and one alone. */
  readonly isCopy: boolean
}
