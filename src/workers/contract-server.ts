import type { ClickHouseClient } from '@clickhouse/client'
import type { Pool } from 'pg'
import type { ContractReply, ContractTask } from '../core/contract/task.js'
import { toGatewayError } from '../core/errors.js'
import { readNodeLive } from '../io/node-live.js'
import { transaction } from '../io/postgres.js'
import type { Queryable } from '../io/query.js'
import type { RedisClient } from '../io/redis.js'
import { createFailFast } from './fail-fast.js'
import type { Handler, HandlerContext } from './handlers/handler.js'
import { once } from './idempotency.js'
import { fromStoreError, isTransient, isUnanswered } from './store-errors.js'

export interface ContractServerOptions {
  readonly handlers: readonly Handler[]
  readonly postgres: Pool
  readonly clickhouse: ClickHouseClient
  readonly redis: RedisClient | null
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
  const { postgres, clickhouse, redis } = options
  const guarded = createFailFast({ isUnanswered, now: () => performance.now() })

  async function answer(task: ContractTask): Promise<ContractReply> {
    const handler = byId.get(task.endpointId)
    if (handler === undefined) throw new Error(`no handler for the endpoint ${task.endpointId}`)
    const now = new Date()
    const runOn = async (db: Queryable) => {
      const context: HandlerContext = {
        db,
        askClickHouse: (ask) => guarded(() => ask(clickhouse)),
        // On the call's own connection: waiting for a second one while holding the first could starve the pool.
        readNodeLive: () => readNodeLive({ postgres: db, redis }),
        actor: task.actor,
        requestId: task.requestId,
        remoteAddress: task.remoteAddress,
        now,
      }
      return new TextEncoder().encode(JSON.stringify(await handler.run(task, context)))
    }
    const status = Number(Object.keys(handler.endpoint.reply)[0])
    if (handler.endpoint.method === 'GET') return { status, body: await runOn(postgres) }
    return { status, body: await change(task, runOn) }
  }

  async function change(
    task: ContractTask,
    runOn: (db: Queryable) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await transaction(postgres, (db) => once(db, task, () => runOn(db)))
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isTransient(error)) throw error
      }
    }
  }

  return async (task) => {
    try {
      return await answer(task)
    } catch (thrown) {
      const error = toGatewayError(fromStoreError(thrown))
      const cause = error.cause === undefined ? null : causeText(error.cause)
      return { error: error.code, message: error.message, param: error.param, cause }
    }
  }
}

function causeText(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
