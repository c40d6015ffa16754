import { setTimeout as sleep } from 'node:timers/promises'
import { busyShare, cpuMicrosBetween, readMachineTimes } from '../cpu-time.js'
import { cpuTimesOf, PROXY_GROUP, type Contender } from './contenders/contender.js'

/** What some work cost a contender. */
export interface CpuReading<T> {
  readonly result: T
  /** CPU microseconds of the processes that are the proxy. */
  readonly proxyMicros: number
  /** CPU microseconds of its other processes, by group. */
  readonly besides: ReadonlyMap<string, number>
  /** Share of all processors in use, whoever used them: 0 to 1. */
  readonly machineBusy: number
}

/** Short work is over by then, whoever did it. */
const PAUSE_MS = 100

/**
 * CPU that a contender uses for some work. What is deferred (records to the analytics store) gets the contender's
 * time to happen, before and after.
 */
export async function readCpu<T>(contender: Contender, work: () => Promise<T>): Promise<CpuReading<T>> {
  const settleMs = Math.max(PAUSE_MS, contender.settleMs)
  await sleep(settleMs)
  const machineBefore = readMachineTimes()
  const before = cpuTimesOf(contender)
  const result = await work()
  const machineBusy = busyShare(machineBefore, readMachineTimes())
  await sleep(settleMs)
  const used = cpuMicrosBetween(before, cpuTimesOf(contender))
  const proxyMicros = used.get(PROXY_GROUP) ?? 0
  used.delete(PROXY_GROUP)
  return { result, proxyMicros, besides: used, machineBusy }
}
