import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Totals } from './records.js'
import type { Store } from './store.js'

/** As text: beyond 2^53 a JSON number is not exact. */
const Whole = z.string().transform((text) => BigInt(text))
const TotalsRow = z
  .object({
    requests: Whole,
    failed: Whole,
    aborted: Whole,
    promptTokens: Whole,
    cachedTokens: Whole,
    completionTokens: Whole,
    costNanos: Whole,
    latencies: Whole,
  })
  .transform(({ latencies, ...totals }) => ({
    latencies,
    totals: {
      ...totals,
      requests: Number(totals.requests),
      failed: Number(totals.failed),
      aborted: Number(totals.aborted),
      promptTokens: Number(totals.promptTokens),
      cachedTokens: Number(totals.cachedTokens),
      completionTokens: Number(totals.completionTokens),
    } satisfies Totals,
  }))

const COMMON = `
  toString(sum(prompt_tokens)) AS promptTokens,
  toString(sum(cached_tokens)) AS cachedTokens,
  toString(sum(completion_tokens)) AS completionTokens,
  toString(sum(cost_nanos)) AS costNanos`
const RECORDS = `SELECT toString(count()) AS requests, toString(countIf(failed)) AS failed,
  toString(countIf(client_abort)) AS aborted, ${COMMON}, toString(uniqExact(request_id)) AS latencies FROM usage_records`
const ROLLUP = `SELECT toString(sum(u.requests)) AS requests, toString(sum(u.failed_requests)) AS failed,
  toString(sum(u.client_aborts)) AS aborted, ${COMMON},
  toString(arraySum(mapValues(sumMap(e2e_histogram)))) AS latencies FROM`

/**
 * Holds the records and both rollups against what was sent, to the last token and nano-dollar.
 * @throws with what differs
 */
export async function checkExact(store: Store, sent: Totals): Promise<void> {
  for (const [name, sql] of [
    ['usage_records', RECORDS],
    ['usage_by_minute', `${ROLLUP} usage_by_minute AS u`],
    ['usage_by_hour', `${ROLLUP} usage_by_hour AS u`],
  ] as const) {
    const [row] = await store.rows(sql, TotalsRow)
    if (row === undefined) throw new Error(`${name} says nothing`)
    // Every request is there once, and has one latency.
    if (!isDeepStrictEqual(row.totals, sent) || row.latencies !== BigInt(sent.requests)) {
      const shown = (value: unknown) =>
        JSON.stringify(value, (_key, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))
      throw new Error(`${name} holds ${shown(row)}, but ${shown(sent)} was sent`)
    }
  }
}
