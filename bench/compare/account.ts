import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { bearer, call, type Gateway } from '../gateway.js'
import type { LoadResult } from './load/messages.js'

/** What the generator received through one contender: complete replies, and tokens. */
export interface Account {
  readonly requests: number
  readonly tokens: number
  /** False when a request failed: what a gateway bills for it cannot be told from outside. */
  readonly exact: boolean
  add(result: Pick<LoadResult, 'completed' | 'tokens' | 'failed'>): void
}

/** An empty account. */
export function createAccount(): Account {
  let requests = 0
  let tokens = 0
  let exact = true
  return {
    get requests() {
      return requests
    },
    get tokens() {
      return tokens
    },
    get exact() {
      return exact
    },
    add(result) {
      requests += result.completed
      tokens += result.tokens
      if (result.failed > 0) exact = false
    },
  }
}

const Usage = z.object({ total_requests: z.number(), completion_tokens: z.number() })
/** What a tenant has been billed. */
export type Bill = z.infer<typeof Usage>

const BILLED_WITHIN_MS = 15_000

/** Reads a tenant's bill from a gateway. */
export function readBill(gateway: Gateway, apiKey: string): Promise<Bill> {
  return call(`${gateway.tenantUrl}/v1/usage`, 'GET', bearer(apiKey), Usage)
}

/**
 * Metering was really on: every request and token that the generator got through the gateway stands in its bill.
 * @returns a line that says so
 * @throws when it does not within 15 s
 */
export async function checkBill(gateway: Gateway, apiKey: string, account: Account): Promise<string> {
  const { requests, tokens } = account
  if (!account.exact) return 'Billed: not compared, since requests failed.'
  const deadline = performance.now() + BILLED_WITHIN_MS
  for (;;) {
    const bill = await readBill(gateway, apiKey)
    if (bill.total_requests === requests && bill.completion_tokens === tokens) {
      return `Billed: ${requests} requests, ${tokens} tokens, exactly what was received.`
    }
    if (performance.now() > deadline) {
      throw new Error(
        `received ${requests} requests and ${tokens} tokens through the gateway, ` +
          `but ${bill.total_requests} and ${bill.completion_tokens} are billed`,
      )
    }
    await sleep(200)
  }
}
