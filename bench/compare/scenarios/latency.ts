import type { LoadGenerator } from '../load/generator.js'
import { chatRequest } from './chat.js'
import type { Contender } from '../contenders/contender.js'

const WARM_UP_MS = 500

export interface Latency {
  readonly p50: number
  readonly p99: number
}

/**
 * Latency of the small request on one connection, in microseconds.
 * @throws when a request fails
 */
export async function measureLatency(
  target: Pick<Contender, 'name' | 'host' | 'port' | 'headers'>,
  generator: LoadGenerator,
  seconds: number,
  onCompleted: (requests: number) => void,
): Promise<Latency> {
  const request = chatRequest(target.headers, { max_tokens: 1 })
  const run = async (durationMs: number): Promise<Latency> => {
    const { completed, failed, reasons, latencyMicros } = await generator.run({
      kind: 'requests',
      request,
      durationMs,
    })
    onCompleted(completed)
    if (failed === 0 && latencyMicros !== null) return latencyMicros
    throw new Error(`latency through ${target.name}: ${failed} failed: ${reasons.join('; ')}`)
  }
  await generator.open(target.host, target.port, 1)
  await run(WARM_UP_MS)
  const latency = await run(seconds * 1000)
  await generator.close()
  return latency
}
