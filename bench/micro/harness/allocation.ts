import { GCProfiler, getHeapStatistics } from 'node:v8'
import { spread } from '../../statistics.js'
import type { RunningCase } from './bench.js'
import { timeRuns } from './run.js'

/** Bytes that one run allocates. */
export interface Allocation {
  readonly heapBytes: number
  /** Memory of buffers, which lies outside of V8's heap. */
  readonly externalBytes: number
}

/** A window is large enough when it allocates this much: what the measurement itself allocates vanishes beside it. */
const WINDOW_BYTES = 4 * 1024 * 1024
/** Or when it takes this long: then a run allocates next to nothing. */
const WINDOW_MS = 20
const WINDOWS = 7

/**
 * How much a run allocates, from the growth of the heap over many runs; what the collector freed meanwhile is added.
 * For code that is warm: objects that the compiler does away with do not count.
 */
export function measureAllocation(subject: RunningCase): Allocation {
  let runs = 1
  for (let window = allocatedBy(subject, runs); !isLargeEnough(window); window = allocatedBy(subject, runs)) {
    runs *= 4
  }
  const windows = Array.from({ length: WINDOWS }, () => allocatedBy(subject, runs))
  const perRun = (bytes: (allocation: Allocation) => number): number =>
    Math.max(0, spread(windows.map(bytes)).median / runs)
  return {
    heapBytes: perRun(({ heapBytes }) => heapBytes),
    externalBytes: perRun(({ externalBytes }) => externalBytes),
  }
}

interface Window extends Allocation {
  readonly elapsedMs: number
}

function isLargeEnough({ heapBytes, externalBytes, elapsedMs }: Window): boolean {
  return heapBytes + externalBytes >= WINDOW_BYTES || elapsedMs >= WINDOW_MS
}

function allocatedBy(subject: RunningCase, runs: number): Window {
  globalThis.gc?.()
  const collector = new GCProfiler()
  collector.start()
  const before = getHeapStatistics()
  const elapsedMs = timeRuns(subject, runs)
  const after = getHeapStatistics()
  let heapBytes = after.used_heap_size - before.used_heap_size
  let externalBytes = after.external_memory - before.external_memory
  for (const { beforeGC, afterGC } of collector.stop().statistics) {
    heapBytes += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize
    externalBytes += beforeGC.heapStatistics.externalMemory - afterGC.heapStatistics.externalMemory
  }
  subject.tidy?.()
  return { heapBytes, externalBytes, elapsedMs }
}
