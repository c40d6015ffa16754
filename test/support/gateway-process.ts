import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { lives, type Kin } from '../../bench/proc-stat.js'

export {
  startGatewayProcess,
  type GatewayProcess,
  type GatewayProcessOptions,
  type LogLine,
} from '../../bench/gateway-process.js'
export { lives, type Kin } from '../../bench/proc-stat.js'

/** Resolves when none of them lives; fails, naming those that do, after `withinMs`. */
export async function allGone(kin: readonly Kin[], withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (kin.some(lives)) {
    if (performance.now() > deadline) {
      assert.fail(
        `still alive: ${kin
          .filter(lives)
          .map(({ pid, title }) => `${pid} ${title}`)
          .join(', ')}`,
      )
    }
    await sleep(20)
  }
}
