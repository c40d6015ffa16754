import type { Scenario } from '../bench.js'
import { cpuScenario, smallRequests, streams } from './cpu.js'
import { latency } from './latency.js'

/** All that is measured, in its order. */
export const SCENARIOS: readonly Scenario[] = [
  cpuScenario(smallRequests),
  cpuScenario(streams({ name: 'streams-1000', count: 1000, tokensPerSecond: 25, timesNginx: 1.15 })),
  cpuScenario(streams({ name: 'streams-1000-fast', count: 1000, tokensPerSecond: 100, timesNginx: 1.15 })),
  cpuScenario(streams({ name: 'streams-200', count: 200, tokensPerSecond: 100, timesNginx: 1.3 })),
  latency,
]
