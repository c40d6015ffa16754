import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { LimitGrant, LimitRequest } from '../core/limit-ledger.js'
import { inTime } from './in-time.js'
import { packageRoot } from './package-root.js'
import type { RedisClient } from './redis.js'

/** The ledger of limits that all proxies share. */
export interface LimitStore {
  /** All of one tenant, at once. Rejects when Redis does not answer in time: it may have been done or not. */
  exchange(tenantId: string, requests: readonly LimitRequest[]): Promise<LimitGrant[]>
  /** Says that this process is there. Rejects when Redis does not answer in time. */
  present(): Promise<Presence>
  /** Says that it is not any more. */
  leave(): Promise<void>
}

export interface Presence {
  /** Processes that are there. */
  readonly processes: number
  /** How long Redis takes to answer, in milliseconds: the best of several calls, since a process may be held up itself. */
  readonly answerMs: number
}

const SCRIPT = readFileSync(join(packageRoot, 'sql/redis/limits.lua'), 'utf8')
const DIGEST = createHash('sha1').update(SCRIPT).digest('hex')

/** What a process that died held is free after this. */
const LEASE_MS = 5_000
/** What was spent in a month is kept beyond its end. */
const KEEP_MS = 40 * 86_400_000
const PROCESSES = 'crosslogic:limits:processes'

/**
 * A Redis that does not answer in this time is one that is away. Long enough for a machine that is merely overloaded: while
 * one process goes by itself and the others do not, limits are not exact.
 */
const ANSWER_MS = 1_000
const Reply = z.array(z.coerce.number())

/** @param process names this one among all of the installation; another one after each start */
export function createLimitStore(redis: RedisClient, process: string): LimitStore {
  async function run(keys: readonly string[], values: readonly (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(DIGEST, keys.length, ...keys, ...values)
    } catch (error) {
      // A server that was started, or joined the cluster, since.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return redis.eval(SCRIPT, keys.length, ...keys, ...values)
    }
  }

  return {
    async exchange(tenantId, requests) {
      const keys = requests.map(({ id }) => `crosslogic:limits:{${tenantId}}:${id}`)
      const values = requests.flatMap((request) => {
        const { kind, limit, debt, need, want, seed } = request
        return request.kind === 'rate'
          ? [kind, limit, request.give - debt, 0, 0, need, want, seed]
          : [kind, limit, request.add + debt, request.floor, request.held, need, want, seed]
      })
      const answer = run(keys, [process, LEASE_MS, KEEP_MS, ...values])
      const numbers = Reply.parse(await inTime(ANSWER_MS, answer, 'Redis'))
      return requests.map((_request, at) => {
        const [granted, left, spent] = numbers.slice(at * 3, at * 3 + 3)
        if (granted === undefined || left === undefined || spent === undefined) {
          throw new Error(`${numbers.length} numbers for ${requests.length} limits`)
        }
        return { granted, left, spent }
      })
    },
    present: () => presence(),
    async leave() {
      await redis.zrem(PROCESSES, process)
    },
  }

  async function presence(): Promise<Presence> {
    let answerMs = Infinity
    const timed = async <T>(call: () => Promise<T>): Promise<T> => {
      const askedAt = performance.now()
      const answer = await inTime(ANSWER_MS, call(), 'Redis')
      answerMs = Math.min(answerMs, performance.now() - askedAt)
      return answer
    }
    // The clock of Redis: those of two machines may differ.
    const [seconds] = await timed(() => redis.time())
    const now = Number(seconds) * 1_000
    await timed(() => redis.zadd(PROCESSES, now, process))
    await timed(() => redis.zremrangebyscore(PROCESSES, '-inf', now - LEASE_MS))
    return { processes: await timed(() => redis.zcard(PROCESSES)), answerMs }
  }
}
