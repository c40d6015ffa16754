import { setTimeout as sleep } from 'node:timers/promises'
import { busyShare, readMachineTimes } from '../../cpu-time.js'
import type { LoadGenerator } from '../load/generator.js'
import type { LoadResult, Order } from '../load/messages.js'
import { cpuSince, PROXY_GROUP, type Contender } from '../contenders/contender.js'

export type LoadOrder = Extract<Order, { kind: 'requests' | 'streams' }>

/** Something that is sent through every contender in turn, and what it may cost. */
export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string
  readonly title: string
  /** What CPU is divided by. */
  readonly unit: 'request' | 'token'
  /** Greatest ratio of the gateway's CPU to nginx's; null: shown as information. */
  readonly goal: number | null
  readonly connections: number
  /** The load of so many seconds, with a contender's headers. */
  order(headers: Readonly<Record<string, string>>, seconds: number): LoadOrder
}

/** One run of a scenario through one contender. */
export interface Measurement {
  readonly contender: string
  readonly units: number
  readonly unitsPerSecond: number
  readonly cpuMicros: number
  readonly cpuMicrosPerUnit: number
  /** Share of all processors in use, whoever used them: 0 to 1. */
  readonly machineBusy: number
  /** CPU microseconds per unit of the contender's other processes, by group. */
  readonly besides: ReadonlyMap<string, number>
}

export interface MeasureOptions {
  readonly seconds: number
  /** Length of the same load that goes before and is not counted. */
  readonly warmUpSeconds: number
  /** Gets every result, that of the warm-up included. */
  readonly onResult?: (result: LoadResult) => void
}

/** What is deferred (records to the analytics store) gets this long to happen before the CPU is read. */
const SETTLE_MS = 1_000

/**
 * Runs a scenario through a contender: warm-up, then the load with the CPU of the contender's processes read before
 * and after.
 * @throws when a request or stream was not as it should be
 */
export async function measure(
  scenario: Scenario,
  contender: Contender,
  generator: LoadGenerator,
  { seconds, warmUpSeconds, onResult }: MeasureOptions,
): Promise<Measurement> {
  const run = async (forSeconds: number): Promise<LoadResult> => {
    const result = await generator.run(scenario.order(contender.headers, forSeconds))
    onResult?.(result)
    if (result.failed === 0) return result
    throw new Error(
      `${scenario.name} through ${contender.name}: ${result.failed} of ${result.failed + result.completed} failed: ` +
        result.reasons.join('; '),
    )
  }
  await generator.open(contender.host, contender.port, scenario.connections)
  await run(warmUpSeconds)
  await sleep(SETTLE_MS)
  const machineBefore = readMachineTimes()
  const before = contender.cpuTimes()
  const result = await run(seconds)
  const machineBusy = busyShare(machineBefore, readMachineTimes())
  await sleep(SETTLE_MS)
  const used = cpuSince(contender, before)
  await generator.close()

  const units = scenario.unit === 'token' ? result.tokens : result.completed
  const cpuMicros = used.get(PROXY_GROUP) ?? 0
  used.delete(PROXY_GROUP)
  return {
    contender: contender.name,
    units,
    unitsPerSecond: (units / result.elapsedMs) * 1000,
    cpuMicros,
    cpuMicrosPerUnit: cpuMicros / units,
    machineBusy,
    besides: new Map([...used].map(([group, micros]) => [group, micros / units])),
  }
}
