import { measureAllocation } from './allocation.js'
import type { MicroBench, MicroCase } from './bench.js'
import type { MicroResult } from './result.js'
import { measureTiming } from './timing.js'

/** Measures a case in this process, which should have done nothing else before. */
export async function measureCase(
  bench: Pick<MicroBench, 'name'>,
  subject: MicroCase,
  forMs: number,
): Promise<MicroResult> {
  const running = await subject.start()
  try {
    const timing = await measureTiming(running, forMs)
    const allocation = measureAllocation(running)
    const operations = subject.operationsPerRun ?? 1
    return {
      bench: bench.name,
      case: subject.name,
      operation: subject.operation,
      minNs: timing.minNs / operations,
      medianNs: timing.medianNs / operations,
      p99Ns: timing.p99Ns / operations,
      samples: timing.samples,
      operationsPerSample: timing.runsPerSample * operations,
      steady: timing.steady,
      heapBytes: allocation.heapBytes / operations,
      externalBytes: allocation.externalBytes / operations,
      goalNs: subject.goalNs ?? null,
    }
  } finally {
    await running.close?.()
  }
}
