import { findProgram, installCommand } from '../../debian-packages.js'
import { spread } from '../../statistics.js'
import type { Bench, Scenario } from '../bench.js'
import { REDIS } from '../contenders/debian-program.js'
import { startGatewayContender, type GatewayContender } from '../contenders/gateway-contender.js'
import { readCpu } from '../cpu-reading.js'
import { rowOf } from '../row.js'
import { connectTo } from '../session.js'
import { chatRequest, MODEL } from './chat.js'
import { limitMs } from './cpu.js'

const PER_SECOND = 3_000
const CONNECTIONS = 64
const WARM_UP_SECONDS = 1
const MEASURE = `CPU per request of two proxies to one, open loop ${PER_SECOND}/s`
const GOAL = { atMost: 1.15 }

/** Whether a second proxy process costs more than it should, at the same rate. */
export const twoProxies: Scenario = {
  name: 'two-proxies',
  title: `CPU per request of two proxy processes against one: open loop, ${PER_SECOND} small requests/s over ${CONNECTIONS} connections`,
  async run(bench) {
    if ((await findProgram(REDIS)) === null) {
      bench.note(`not measured: more than one proxy process needs Redis; try: ${installCommand(REDIS)}`)
      return [rowOf(MEASURE, '×', new Map(), GOAL)]
    }
    await using two = await startGatewayContender(
      { model: MODEL, nodeUrls: bench.nodeUrls },
      { env: { PROXY_PROCESSES: '2' } },
    )
    const ratios: number[] = []
    for (let pair = 0; pair < bench.pairs; pair += 1) {
      const seconds = pair === 0 ? two.warmUpSeconds : WARM_UP_SECONDS
      const a = await microsPerRequest(bench, bench.gateway, seconds)
      const b = await microsPerRequest(bench, two, seconds)
      ratios.push(b / a)
      bench.note(
        `pair ${pair + 1}: one ${a.toFixed(1)} µs, two ${b.toFixed(1)} µs per request, ${(b / a).toFixed(2)}×`,
      )
    }
    bench.note(await two.checkBill())
    const { min, median, max } = spread(ratios)
    bench.note(`two to one: ${min.toFixed(2)} – ${median.toFixed(2)} – ${max.toFixed(2)}×`)
    return [rowOf(MEASURE, '×', new Map([['gateway', ratios]]), GOAL)]
  },
}

async function microsPerRequest(
  bench: Bench,
  contender: GatewayContender,
  warmUpSeconds: number,
): Promise<number> {
  await using session = await connectTo(bench.load, contender, CONNECTIONS)
  const run = (seconds: number) =>
    session.run({
      kind: 'arrivals',
      request: chatRequest(contender, { tokens: 1 }),
      record: null,
      perSecond: PER_SECOND,
      durationMs: seconds * 1000,
      limitMs: limitMs(seconds),
    })
  await run(warmUpSeconds)
  const { result, proxyMicros } = await readCpu(contender, () => run(bench.seconds))
  return proxyMicros / result.completed
}
