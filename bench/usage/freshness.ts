import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { bearer, call, type Gateway, setUpModel, startGateway } from '../gateway.js'
import { startNodeFleet } from '../node-fleet.js'
import { quantile } from '../statistics.js'
import { orAborted } from './interruption.js'
import { row, verdict, whole } from './report.js'

export interface FreshnessPlan {
  /** Requests begun in a second. */
  readonly perSecond: number
  readonly seconds: number
}

const MODEL = 'simulated'
const GOAL_SECONDS = 2
const ASK_MS = 20
/** Longer than usage takes: of tries of the set-up that failed, say. */
const SETTLED_MS = 4_000
const GIVE_UP_MS = 30_000

/**
 * Sends requests to a whole gateway, evenly spread, and asks `GET /v1/usage` all the time; prints how long after the end of
 * its reply a request is counted there.
 * @returns whether the goal was met
 * @throws when a request fails or is not counted, or one too many is; or aborted
 */
export async function benchFreshness(plan: FreshnessPlan, signal: AbortSignal): Promise<boolean> {
  await using fleet = await startNodeFleet(['--model', MODEL])
  await using gateway = await startGateway()
  const apiKey = await setUpModel(gateway, MODEL, fleet.urls)
  await orAborted(untilCounted(gateway, apiKey), signal)
  await sleep(SETTLED_MS, undefined, { signal })
  const { ages, askedMs } = await orAborted(measure(gateway, apiKey, plan), signal)

  const latest = quantile(ages, 1)
  const met = latest <= GOAL_SECONDS
  const seconds = (value: number) => `${value.toFixed(2)} s`
  console.log(
    [
      `GET /v1/usage beside ${plan.perSecond} requests a second for ${plan.seconds} s, embedded stores`,
      row('requests', whole(ages.length), 'each counted once'),
      row('counted, median', seconds(quantile(ages, 0.5)), 'after the end of its reply'),
      row('counted, p99', seconds(quantile(ages, 0.99))),
      row('counted, latest', seconds(latest), verdict(`≤ ${GOAL_SECONDS} s`, met)),
      row(
        'asked, median',
        `${quantile(askedMs, 0.5).toFixed(0)} ms`,
        'a call of /v1/usage, part of the above',
      ),
    ].join('\n'),
  )
  return met
}

const Usage = z.object({ total_requests: z.number() })

const usageOf = (gateway: Gateway, apiKey: string) =>
  call(`${gateway.tenantUrl}/v1/usage`, 'GET', bearer(apiKey), Usage)

/** Waits until the request of the set-up is counted, which is none of those measured. */
async function untilCounted(gateway: Gateway, apiKey: string): Promise<void> {
  const deadline = performance.now() + GIVE_UP_MS
  while ((await usageOf(gateway, apiKey)).total_requests === 0) {
    if (performance.now() > deadline) throw new Error('the request of the set-up was not counted')
    await sleep(ASK_MS)
  }
}

async function measure(gateway: Gateway, apiKey: string, { perSecond, seconds }: FreshnessPlan) {
  const count = () => usageOf(gateway, apiKey)
  const { total_requests: before } = await count()
  const requests = perSecond * seconds
  /** When replies ended, in that order, which is that of the spool. */
  const ends: number[] = []
  const sending = send(gateway, apiKey, requests, perSecond, ends)
  // Told of below, when the others are counted.
  sending.catch(() => {})
  const ages: number[] = []
  const askedMs: number[] = []
  let lastAt = performance.now()
  while (ages.length < requests) {
    const askedAt = performance.now()
    const counted = (await count()).total_requests - before
    const now = performance.now()
    askedMs.push(now - askedAt)
    if (counted > requests) throw new Error(`${counted} requests are counted of ${requests}`)
    // One may be counted before its client has heard of the end.
    while (ages.length < Math.min(counted, ends.length)) {
      ages.push((now - (ends[ages.length] ?? now)) / 1000)
      lastAt = now
    }
    if (now - lastAt > GIVE_UP_MS) throw new Error(`${ages.length} of ${requests} requests were counted`)
    await sleep(ASK_MS)
  }
  await sending
  return { ages: ages.sort((a, b) => a - b), askedMs: askedMs.sort((a, b) => a - b) }
}

async function send(
  gateway: Gateway,
  apiKey: string,
  requests: number,
  perSecond: number,
  ends: number[],
): Promise<void> {
  const startedAt = performance.now()
  const body = { model: MODEL, max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] }
  const running = Array.from({ length: requests }, async (_, i) => {
    await sleep(startedAt + (i * 1000) / perSecond - performance.now())
    await call(`${gateway.tenantUrl}/v1/chat/completions`, 'POST', bearer(apiKey), z.unknown(), body)
    ends.push(performance.now())
  })
  await Promise.all(running)
}
