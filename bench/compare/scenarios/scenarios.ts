import type { Scenario } from '../bench.js'
import { adminLoad } from './admin-load.js'
import { cpuScenario, smallRequests, streams, type CpuLoad } from './cpu.js'
import { largeBodies } from './large-bodies.js'
import { latency } from './latency.js'
import { limits } from './limits.js'
import { manyStreams } from './many-streams.js'
import { prompts } from './prompts.js'
import { slowReaders } from './slow-readers.js'
import { ttft } from './ttft.js'
import { twoProxies } from './two-proxies.js'

/** Loads whose CPU is measured; `bench profile` looks into them. */
export const CPU_LOADS: readonly CpuLoad[] = [
  smallRequests,
  streams({ name: 'streams-1000', count: 1000, tokensPerSecond: 25, timesNginx: 1.15 }),
  streams({ name: 'streams-1000-fast', count: 1000, tokensPerSecond: 100, timesNginx: 1.15 }),
  streams({ name: 'streams-200', count: 200, tokensPerSecond: 100, timesNginx: 1.3 }),
]

/** All that is measured, in its order. */
export const SCENARIOS: readonly Scenario[] = [
  ...CPU_LOADS.map(cpuScenario),
  latency,
  ttft,
  prompts,
  largeBodies,
  twoProxies,
  limits,
  slowReaders,
  adminLoad,
  manyStreams,
]
