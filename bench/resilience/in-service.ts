import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../gateway.js'

const LIMIT_MS = 30_000
const LOOK_MS = 50

/** Waits until requests are sent to every node of a model. @throws when that takes over 30 s, with what is known of them */
export async function untilInService(gateway: Pick<Gateway, 'client'>, model: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const { body } = await gateway.client.nodes.list({ query: { model, limit: 200 } })
    const out = body.data.filter(
      ({ status, healthy, breaker }) =>
        status !== 'active' || healthy === false || (breaker !== null && breaker !== 'admitting'),
    )
    if (out.length === 0) return
    if (performance.now() > deadline) throw new Error(`not in service again: ${JSON.stringify(out)}`)
    await sleep(LOOK_MS)
  }
}
