import { startNodeFleet } from '../../node-fleet.js'
import { addModel, untilServed } from '../../gateway.js'
import type { Bench, Scenario } from '../bench.js'
import { contenderOf, type Contender } from '../contenders/contender.js'
import { startGatewayContender } from '../contenders/gateway-contender.js'
import { readEventLoopLag } from '../event-loop-lag.js'
import { rowOf, type Rounds } from '../row.js'
import { connectTo, type Session } from '../session.js'
import { chatRequest, MODEL } from './chat.js'
import { limitMs } from './cpu.js'

const MEGABYTES = 10
const PROBE_MODEL = 'sim-probe'
const PROBE_STREAMS = 4
const PROBE_TOKENS_PER_SECOND = 200
const PAUSE_MS = 100

/** Whether a large body (images in it) holds up everybody else's streams. */
export const largeBodies: Scenario = {
  name: 'large-bodies',
  title: `Stall of the event loop by bodies of ${MEGABYTES} MB (images), one after another`,
  async run(bench) {
    // The probe's node is in a process of its own: one that reads a large body stalls as well.
    await using probeFleet = await startNodeFleet(['--model', PROBE_MODEL, '--keep-alive-ms', '300000'])
    await using gateway = await startGatewayContender({ model: MODEL, nodeUrls: bench.nodeUrls })
    await addModel(gateway.gateway, PROBE_MODEL, probeFleet.urls, 'probe')
    await untilServed(gateway.gateway, gateway.apiKey, PROBE_MODEL)
    gateway.account.add({ completed: 1, tokens: 1, failed: 0 })
    const through = { ...gateway, model: PROBE_MODEL }
    const direct = nodeContender(probeFleet.urls[0] ?? '', probeFleet.pid)
    await using probes = await connectTo(bench.probe, through, PROBE_STREAMS)
    await using controls = await connectTo(bench.probe, direct, PROBE_STREAMS)
    await using bodies = await connectTo(bench.load, gateway, 1)
    const watch = async () => {
      const [a, b] = await Promise.all([
        longestGap(bench, through, probes),
        longestGap(bench, direct, controls),
      ])
      return { through: a, direct: b }
    }

    await sendBodies(gateway, bodies, 1)
    const alone = await watch()
    // The lag is that since the last reading.
    await readEventLoopLag(gateway.gateway)
    const [beside, sent] = await Promise.all([watch(), sendBodies(gateway, bodies, bench.seconds + 1)])
    const lag = await readEventLoopLag(gateway.gateway)
    bench.note(
      `Longest gap of ${PROBE_STREAMS} streams paced at 5 ms, in ms: through the gateway ${alone.through.toFixed(1)} without bodies, ` +
        `${beside.through.toFixed(1)} while ${sent} passed;\nof the same streams from their node itself at the same times: ` +
        `${alone.direct.toFixed(1)} and ${beside.direct.toFixed(1)}. The gateway's own event loop lag: ${lag?.toFixed(1) ?? 'not told'} at most.`,
    )
    bench.note(await gateway.checkBill())
    const only = (value: number | null): Rounds => new Map(value === null ? [] : [['gateway', [value]]])
    const goal = { atMost: 20 }
    return [
      rowOf(`Longest event loop lag, ${MEGABYTES} MB bodies`, 'ms', only(lag), goal),
      rowOf(
        `Added to the longest gap of other streams, ${MEGABYTES} MB bodies`,
        'ms',
        only(addedGap(alone, beside)),
        goal,
      ),
    ]
  },
}

interface Gaps {
  readonly through: number
  readonly direct: number
}

/** What bodies add to the longest gap, beyond what they add for streams that do not go through the gateway. */
export function addedGap(alone: Gaps, beside: Gaps): number {
  const machine = Math.max(0, beside.direct - alone.direct)
  return Math.max(0, beside.through - alone.through - machine)
}

function nodeContender(url: string, pid: number): Contender {
  const { hostname, port } = new URL(url)
  return contenderOf({
    name: 'direct',
    description: 'a node itself',
    host: hostname,
    port: Number(port),
    pid,
    model: PROBE_MODEL,
  })
}

/** The longest gap between two tokens, in ms. */
async function longestGap(bench: Bench, contender: Contender, session: Session): Promise<number> {
  const seconds = bench.seconds + 1
  const { samplesMicros } = await session.run({
    kind: 'streams',
    request: chatRequest(contender, {
      stream: true,
      tokens: seconds * PROBE_TOKENS_PER_SECOND,
      tokensPerSecond: PROBE_TOKENS_PER_SECOND,
    }),
    record: 'gaps',
    rampMs: 0,
    limitMs: limitMs(seconds),
  })
  return Math.max(...samplesMicros) / 1000
}

/** @returns how many were answered */
async function sendBodies(contender: Contender, session: Session, seconds: number): Promise<number> {
  const url = `data:image/png;base64,${'iVBORw0KGgo'.repeat((MEGABYTES * 1_000_000) / 11)}`
  const content = [
    { type: 'text', text: 'What is in this image?' },
    { type: 'image_url', image_url: { url } },
  ]
  const { completed } = await session.run({
    kind: 'requests',
    request: chatRequest(contender, { tokens: 1, content }),
    record: null,
    durationMs: seconds * 1000,
    pauseMs: PAUSE_MS,
    limitMs: limitMs(seconds),
  })
  return completed
}
