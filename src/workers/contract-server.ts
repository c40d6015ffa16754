import type { ClickHouseClient } from '@clickhouse/client'
import type { Pool } from 'pg'
import type { Endpoint } from '../core/contract/endpoint.js'
import { etagOf, requireMatch } from '../core/contract/etag.js'
import { failureOf } from '../core/contract/failure.js'
import type { ContractPart, ContractReply, ContractTask } from '../core/contract/task.js'
import { yamlText } from '../core/contract/yaml-body.js'
import { toGatewayError } from '../core/errors.js'
import { readNodeLive } from '../io/node-live.js'
import { transaction } from '../io/postgres.js'
import type { Queryable } from '../io/query.js'
import type { RedisClient } from '../io/redis.js'
import { createFailFast } from './fail-fast.js'
import { EventBatch, type Handler, type HandlerContext, Part, Versioned } from './handlers/handler.js'
import { type Answer, once } from './idempotency.js'
import { requireKey } from './key-proof.js'
import { type Launching, NOTHING_LAUNCHED } from './launchers/launching.js'
import { requireNode } from './node-proof.js'
import { fromStoreError, isTransient, isUnanswered } from './store-errors.js'

export interface ContractServerOptions {
  readonly handlers: readonly Handler[]
  readonly postgres: Pool
  readonly clickhouse: ClickHouseClient
  readonly redis: RedisClient | null
  /** Default: nothing can be launched. */
  readonly launching?: Launching
}

/** How often a transaction that lost against another one is run. */
const MOST_ATTEMPTS = 4

/**
 * Answers calls of the contract: finds the handler, gives it a connection (for a change: in a transaction) and turns
 * what it returns or throws into a reply. Never throws.
 */
export function createContractServer(
  options: ContractServerOptions,
): (task: ContractTask) => Promise<ContractReply> {
  const byId = new Map(options.handlers.map((handler) => [handler.endpoint.id, handler]))
  const { postgres, clickhouse, redis, launching = NOTHING_LAUNCHED } = options
  const guarded = createFailFast({ isUnanswered, now: () => performance.now() })

  async function answer(task: ContractTask): Promise<ContractReply> {
    const handler = byId.get(task.endpointId)
    if (handler === undefined) throw new Error(`no handler for the endpoint ${task.endpointId}`)
    const now = new Date()
    const runOn = async (db: Queryable) => {
      let versionAsked = false
      const context: HandlerContext = {
        db,
        askClickHouse: (ask) => guarded(() => ask(clickhouse)),
        // On the call's own connection: waiting for a second one while holding the first could starve the pool.
        readNodeLive: () => readNodeLive({ postgres: db, redis }),
        pingCache: redis === null ? null : () => redis.ping(),
        launching,
        processes: task.processes ?? { processes: null, latencyMs: 0 },
        requireVersion: (version) => {
          versionAsked = true
          requireMatch(task.ifMatch, version)
        },
        actor: task.actor,
        requestId: task.requestId,
        remoteAddress: task.remoteAddress,
        now,
      }
      const result = await handler.run(task, context)
      if (result instanceof EventBatch) return partOf(result)
      // An update could be lost, and the caller believe that it was not.
      if (task.ifMatch !== null && !versionAsked) throw new Error(`${task.endpointId} passed over If-Match`)
      return answerOf(result, handler.endpoint)
    }
    const status = Number(Object.keys(handler.endpoint.reply)[0])
    if (handler.endpoint.method === 'GET') return { status, ...(await runOn(postgres)) }
    return { status, ...(await change(task, runOn)) }
  }

  async function change(task: ContractTask, runOn: (db: Queryable) => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await transaction(postgres, async (db) => {
          if (task.actor.kind === 'node') await requireNode(db, task.actor)
          if (task.actor.kind === 'key') await requireKey(db, task.actor)
          return once(db, task, () => runOn(db))
        })
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isTransient(error)) throw error
      }
    }
  }

  return async (task) => {
    try {
      return await answer(task)
    } catch (thrown) {
      return failureOf(toGatewayError(fromStoreError(thrown)))
    }
  }
}

function answerOf(result: unknown, { replyType }: Endpoint): Answer & { readonly part?: ContractPart } {
  if (result instanceof Part) {
    const { contentType, fileName, next, content } = result
    const body = typeof content === 'string' ? new TextEncoder().encode(content) : content
    return { etag: null, body, part: { contentType, fileName, next } }
  }
  const [shown, etag] =
    result instanceof Versioned ? [result.body as unknown, etagOf(result.version)] : [result, null]
  const text = replyType === 'yaml' ? yamlText(shown) : JSON.stringify(shown)
  return { etag, body: new TextEncoder().encode(text) }
}

function partOf({ frames, after }: EventBatch): Answer & { readonly after: string | null } {
  return { etag: null, body: new TextEncoder().encode(frames), after }
}
