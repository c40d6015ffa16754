import { setTimeout as sleep } from 'node:timers/promises'
import { nginxOf, type Bench, type Scenario } from '../bench.js'
import type { Contender } from '../contenders/contender.js'
import { startGatewayContender } from '../contenders/gateway-contender.js'
import { startNginx } from '../contenders/nginx.js'
import { BYTES_PER_KB, megabytes, residentBytes } from '../memory.js'
import { runningRequests } from '../node-state.js'
import { openFilesLimit } from '../open-files.js'
import { rowOf, type Row, type Rounds } from '../row.js'
import { connectTo } from '../session.js'
import { chatRequest, MODEL } from './chat.js'
import { limitMs } from './cpu.js'

const STREAMS = 8_000
const WARM_UP_STREAMS = 1_000
const TOKENS_PER_SECOND = 5
const RAMP_MS = 5_000
/** All streams are open for so long. */
const PLATEAU_MS = 4_000
const READINGS = 5
/** A proxy has two sockets for each stream, and its own files. */
export const OPEN_FILES = 2 * STREAMS + 1_000

interface Outcome {
  readonly failed: number
  readonly bytesPerStream: number
}

/** Eight thousand streams at once on one proxy process: none fails, and what each takes of memory. */
export const manyStreams: Scenario = {
  name: 'streams-8000',
  title: `${STREAMS} streams at once, ${TOKENS_PER_SECOND} tokens/s each, on one proxy process that has done nothing else`,
  async run(bench) {
    if (openFilesLimit() < OPEN_FILES) {
      bench.note(
        `not measured: a proxy needs ${OPEN_FILES} open files; raise the limit: ulimit -n ${OPEN_FILES}`,
      )
      return rowsOf(new Map())
    }
    const outcomes = new Map<string, Outcome>()
    const backends = { model: MODEL, nodeUrls: bench.nodeUrls }
    if (nginxOf(bench) !== undefined) {
      await using nginx = await startNginx(backends)
      outcomes.set('nginx', await hold(bench, nginx))
    }
    await using gateway = await startGatewayContender(backends)
    outcomes.set('gateway', await hold(bench, gateway))
    bench.note(await gateway.checkBill())
    return rowsOf(outcomes)
  },
}

function rowsOf(outcomes: ReadonlyMap<string, Outcome>): Row[] {
  const each = (figure: (outcome: Outcome) => number): Rounds =>
    new Map([...outcomes].map(([name, outcome]) => [name, [figure(outcome)]]))
  return [
    rowOf(
      `Failed of ${STREAMS} streams × ${TOKENS_PER_SECOND}/s at once`,
      'streams',
      each(({ failed }) => failed),
      {
        atMost: 0,
      },
    ),
    rowOf(
      `Memory per stream, ${STREAMS} streams`,
      'KB',
      each(({ bytesPerStream }) => bytesPerStream / BYTES_PER_KB),
      {
        atMost: 25,
      },
    ),
  ]
}

/**
 * Memory is read when the same with fewer streams is over, so that the growth of an empty heap is not counted, and
 * again while all streams are open; the greatest of some readings counts.
 */
async function hold(bench: Bench, contender: Contender): Promise<Outcome> {
  await streamsAtOnce(bench, contender, WARM_UP_STREAMS, 1_000, 2_000)
  await sleep(contender.settleMs)
  const before = residentBytes(contender)
  const { failed, reasons, open, peakBytes, tokensPerSecond } = await streamsAtOnce(
    bench,
    contender,
    STREAMS,
    RAMP_MS,
    PLATEAU_MS,
  )
  const bytesPerStream = (peakBytes - before) / STREAMS
  bench.note(
    `${contender.name}: resident ${megabytes(before)} after ${WARM_UP_STREAMS} streams, ${megabytes(peakBytes)} with ` +
      `${STREAMS} open (nodes at work on ${open}): ${(bytesPerStream / BYTES_PER_KB).toFixed(1)} KB each; ` +
      `${Math.round(tokensPerSecond)} tokens/s on average; ${failed} failed${failed > 0 ? `: ${reasons.join('; ')}` : ''}`,
  )
  return { failed, bytesPerStream }
}

async function streamsAtOnce(
  bench: Bench,
  contender: Contender,
  count: number,
  rampMs: number,
  plateauMs: number,
) {
  await using session = await connectTo(bench.load, contender, count)
  const seconds = (rampMs + plateauMs) / 1000
  const streaming = session.attempt({
    kind: 'streams',
    request: chatRequest(contender, {
      stream: true,
      tokens: Math.round(seconds * TOKENS_PER_SECOND),
      tokensPerSecond: TOKENS_PER_SECOND,
    }),
    record: null,
    rampMs,
    limitMs: limitMs(seconds + rampMs / 1000),
  })
  const [result, plateau] = await Promise.all([streaming, watchPlateau(bench, contender, rampMs, plateauMs)])
  return { ...result, ...plateau, tokensPerSecond: (result.tokens / result.elapsedMs) * 1000 }
}

/** The greatest of some readings between the last start and the first end. */
async function watchPlateau(bench: Bench, contender: Contender, rampMs: number, plateauMs: number) {
  await sleep(rampMs)
  let open = 0
  let peakBytes = 0
  for (let reading = 0; reading < READINGS; reading += 1) {
    await sleep(plateauMs / (READINGS + 1))
    open = Math.max(open, await runningRequests(bench.nodeUrls))
    peakBytes = Math.max(peakBytes, residentBytes(contender))
  }
  return { open, peakBytes }
}
