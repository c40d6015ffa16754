import { z } from 'zod'
import { CpuProfile } from './cpu-profile.js'
import { HeapProfile } from './heap-profile.js'
import type { Inspector } from './inspector.js'

/** Microseconds between two samples. */
const CPU_INTERVAL_MICROS = 500
/** Mean bytes between two samples. */
const HEAP_INTERVAL_BYTES = 32 * 1024

/** Records the CPU profile of the inspected process while some work is under way. */
export async function recordCpu<T>(
  inspector: Inspector,
  work: () => Promise<T>,
): Promise<{ profile: CpuProfile; result: T }> {
  await inspector.call('Profiler.enable', {}, z.unknown())
  await inspector.call('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_MICROS }, z.unknown())
  await inspector.call('Profiler.start', {}, z.unknown())
  const result = await work()
  const { profile } = await inspector.call('Profiler.stop', {}, z.object({ profile: CpuProfile }))
  return { profile, result }
}

/** Records what the inspected process allocates meanwhile, also of what is freed again. */
export async function recordHeap<T>(
  inspector: Inspector,
  work: () => Promise<T>,
): Promise<{ profile: HeapProfile; result: T }> {
  await inspector.call(
    'HeapProfiler.startSampling',
    {
      samplingInterval: HEAP_INTERVAL_BYTES,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    },
    z.unknown(),
  )
  const result = await work()
  const Stopped = z.object({ profile: HeapProfile })
  const { profile } = await inspector.call('HeapProfiler.stopSampling', {}, Stopped)
  return { profile, result }
}
