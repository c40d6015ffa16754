import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import type { Endpoint } from '../../core/contract/endpoint.js'
import type { Actor, ContractPart, ContractTask } from '../../core/contract/task.js'
import { parseBy, parseJsonBody, parseQuery } from '../../core/contract/validate.js'
import { parseYamlBody } from '../../core/contract/yaml-body.js'
import { GatewayError } from '../../core/errors.js'
import type { ProcessReports } from '../../core/process-report.js'
import type { NodeLive } from '../../core/snapshot.js'
import type { Queryable } from '../../io/query.js'
import type { Launching } from '../launchers/launching.js'

/** What a handler works with; made anew for each call. */
export interface HandlerContext {
  /** In a GET the pool, else one connection in a transaction that commits when the handler returns. */
  readonly db: Queryable
  /** Runs a call to ClickHouse, unless that has just left another one without an answer. */
  readonly askClickHouse: <T>(ask: (clickhouse: ClickHouseClient) => Promise<T>) => Promise<T>
  /** What the leader saw of each node lately. */
  readonly readNodeLive: () => Promise<ReadonlyMap<string, NodeLive>>
  /** Asks Redis for a sign of life; null where there is none. */
  readonly pingCache: (() => Promise<unknown>) | null
  /** What can be launched. */
  readonly launching: Launching
  /** What the supervisor said of its processes, where the endpoint asks for that. */
  readonly processes: ProcessReports
  /**
   * Must be called with the version of the row that is about to be changed, locked, by every endpoint that honours
   * If-Match. @throws GatewayError precondition_failed
   */
  readonly requireVersion: (version: number) => void
  readonly actor: Actor
  readonly requestId: string
  readonly remoteAddress: string
  /** Time of the call. */
  readonly now: Date
}

const NOTHING = z.strictObject({})

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

/** A call's input, parsed by the endpoint's schemas; what it does not declare is undefined. */
export interface Input<E extends Endpoint> {
  readonly params: E extends { params: infer S } ? Parsed<S> : undefined
  readonly query: E extends { query: infer S } ? Parsed<S> : undefined
  readonly body: E extends { body: infer S } ? Parsed<S> : undefined
}

/** The body of the reply that the endpoint declares; its status is the contract's. */
export type Reply<E extends Endpoint> = Parsed<E['reply'][keyof E['reply']]>

/** The reply's body with the version of the row that it shows. */
export class Versioned<T> {
  readonly body: T
  readonly version: number

  constructor(body: T, version: number) {
    this.body = body
    this.version = version
  }
}

/** One part of a reply that is not JSON. */
export class Part implements ContractPart {
  readonly contentType: string
  readonly fileName: string
  readonly next: string | null
  readonly content: string | Uint8Array

  constructor({ contentType, fileName, next, content }: ContractPart & Pick<Part, 'content'>) {
    this.contentType = contentType
    this.fileName = fileName
    this.next = next
    this.content = content
  }
}

/** A part of an event stream. */
export class EventBatch {
  /** Frames as they are sent; '' when there is nothing new. */
  readonly frames: string
  /** The `after` of the next part's query; null: the stream ends with this part. */
  readonly after: string | null

  constructor(frames: string, after: string | null) {
    this.frames = frames
    this.after = after
  }
}

/** What a handler gives back: of a row that has a version that one too, except when it is gone. */
type Answer<E extends Endpoint> = E extends { versioned: true; method: Exclude<Endpoint['method'], 'DELETE'> }
  ? Versioned<Reply<E>>
  : E extends { follows: true }
    ? EventBatch
    : Reply<E>

export interface Handler {
  readonly endpoint: Endpoint
  /**
   * Parses the task and answers it with the reply's body, {@link Versioned} where it has a version, with a {@link Part}
   * or an {@link EventBatch}. Throws GatewayError for what the caller did wrong.
   */
  run(task: ContractTask, context: HandlerContext): Promise<unknown>
}

/** Binds a handler to its endpoint: input is parsed by the contract, the reply is typed by it. */
export function handle<E extends Endpoint>(
  endpoint: E,
  answer: (input: Input<NoInfer<E>>, context: HandlerContext) => Promise<Answer<NoInfer<E>>>,
): Handler {
  return {
    endpoint,
    run: async (task, context) => answer(inputOf(endpoint, task), context),
  }
}

/** {@link handle} for an endpoint whose reply comes in parts: each is made by a call of its own. */
export function handleInParts<E extends Endpoint & { readonly inParts: readonly string[] }>(
  endpoint: E,
  answer: (input: Input<NoInfer<E>>, context: HandlerContext, cursor: string | null) => Promise<Part>,
): Handler {
  return {
    endpoint,
    run: async (task, context) => answer(inputOf(endpoint, task), context, task.cursor ?? null),
  }
}

function inputOf<E extends Endpoint>(endpoint: E, task: ContractTask): Input<E> {
  const parseBody = endpoint.bodyType === 'yaml' ? parseYamlBody : parseJsonBody
  const input: unknown = {
    params: parseBy(endpoint.params ?? NOTHING, task.params),
    query: parseBy(endpoint.query ?? NOTHING, parseQuery(task.query)),
    body: parseBy(endpoint.body ?? NOTHING, parseBody(task.body)),
  }
  // The conditional types of Input say of each part what the parse by the very same schema gave.
  return input as Input<E>
}

/**
 * The id of the tenant whose key calls; for endpoints of the tenant port.
 * @throws GatewayError not_found for an admin, who has no tenant
 */
export function tenantOf(actor: Actor): string {
  return keyOf(actor).tenantId
}

/** The key that calls. @throws GatewayError not_found for an admin, who has none */
export function keyOf(actor: Actor): Extract<Actor, { kind: 'key' }> {
  if (actor.kind !== 'key') throw new GatewayError('not_found')
  return actor
}
