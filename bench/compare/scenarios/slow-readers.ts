import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from '../../statistics.js'
import type { Bench, Scenario } from '../bench.js'
import type { Contender } from '../contenders/contender.js'
import { readBill } from '../account.js'
import { startGatewayContender, type GatewayContender } from '../contenders/gateway-contender.js'
import { readEventLoopLag } from '../event-loop-lag.js'
import { BYTES_PER_KB, megabytes, residentBytes } from '../memory.js'
import { clearLedgers, runningRequests, writtenTokens } from '../node-state.js'
import { rowOf, type Rounds } from '../row.js'
import { connectTo } from '../session.js'
import { chatRequest, MODEL } from './chat.js'
import { limitMs } from './cpu.js'

const READERS = 100
const WARM_UP_READERS = 10
/** More than all buffers on the way hold, and within the model's context. */
const TOKENS = 120_000
const OTHERS = { streams: 50, tokensPerSecond: 20, seconds: 4 }
const STEP_MS = 1_000
const READINGS_A_STEP = 4
const STILL_WITHIN_MS = 30_000
const BILLED_WITHIN_MS = 15_000

interface Outcome {
  readonly bytesPerReader: number
  /** Tokens that the nodes wrote in the second after they should have paused. */
  readonly stillWritten: number
  /** ITL p99 of the other streams, in ms. */
  readonly alone: number
  readonly beside: number
}

/** Readers that never read: what they take of memory, that their nodes are paused, and that nobody else notices. */
export const slowReaders: Scenario = {
  name: 'slow-readers',
  title: `${READERS} readers that never read, of nodes that write as fast as they can`,
  async run(bench) {
    await using gateway = await startGatewayContender({ model: MODEL, nodeUrls: bench.nodeUrls })
    const { bytesPerReader, stillWritten, alone, beside } = await measure(bench, gateway)
    bench.note(await checkUnreadBill(bench, gateway))
    const only = (figure: number): Rounds => new Map([['gateway', [figure]]])
    return [
      // Less than none: the heap shrank by more than the readers took.
      rowOf('Memory per reader that never reads', 'KB', only(Math.max(0, bytesPerReader / BYTES_PER_KB)), {
        atMost: 64,
      }),
      rowOf('Still written for them by their nodes', 'tokens/s', only(stillWritten), { atMost: 0 }),
      rowOf('Added ITL p99 of other streams, beside them', 'ms', only(beside - alone), { atMost: 2 }),
    ]
  },
}

/** Others are timed when the nodes are paused: until then the nodes and the machine have all their work to do. */
async function measure(bench: Bench, contender: GatewayContender): Promise<Outcome> {
  const request = chatRequest(contender, { stream: true, tokens: TOKENS })
  await clearLedgers(bench.nodeUrls)
  {
    await using _warmUp = await bench.load.openUnread(contender, WARM_UP_READERS, request)
    await othersItlP99(bench, contender)
  }
  await sleep(STEP_MS + contender.settleMs)
  const alone = await othersItlP99(bench, contender)
  const before = residentBytes(contender)
  await using _readers = await bench.load.openUnread(contender, READERS, request)
  const { peakBytes, stillWritten, seconds } = await untilStill(bench, contender)
  const open = await runningRequests(bench.nodeUrls)
  // The lag is that since the last reading.
  await readEventLoopLag(contender.gateway)
  const beside = await othersItlP99(bench, contender)
  const lag = await readEventLoopLag(contender.gateway)
  const left = await runningRequests(bench.nodeUrls)
  const bytesPerReader = (peakBytes - before) / READERS
  bench.note(
    `${contender.name}: resident ${megabytes(before)} before, ${megabytes(peakBytes)} at most with ${READERS} unread streams: ` +
      `${(bytesPerReader / BYTES_PER_KB).toFixed(1)} KB each; nodes\npaused after ${seconds} s (${open} streams not given up by then, ${left} ` +
      `in the end);\nITL p99 of ${OTHERS.streams} others, each complete: ${alone.toFixed(1)} ms without, ${beside.toFixed(1)} ms with them, when the gateway's ` +
      `own event loop lag was ${lag?.toFixed(1) ?? 'not told'} ms at most`,
  )
  return { bytesPerReader, stillWritten, alone, beside }
}

/** The greatest memory until the nodes write no more, and what they wrote in the last second: 0 when they paused. */
async function untilStill(bench: Bench, contender: Contender) {
  const from = performance.now()
  let peakBytes = 0
  let written = await writtenTokens(bench.nodeUrls)
  for (;;) {
    for (let reading = 0; reading < READINGS_A_STEP; reading += 1) {
      await sleep(STEP_MS / READINGS_A_STEP)
      peakBytes = Math.max(peakBytes, residentBytes(contender))
    }
    const now = await writtenTokens(bench.nodeUrls)
    const stillWritten = now - written
    written = now
    const elapsedMs = performance.now() - from
    if (stillWritten === 0 || elapsedMs > STILL_WITHIN_MS) {
      return { peakBytes, stillWritten, seconds: Math.round(elapsedMs / 1000) }
    }
  }
}

/**
 * Of streams that nobody reads the bill has what reached the gateway: no client can tell how much that was, but it is
 * more than what was received by others, and not more than what the nodes wrote.
 * @throws when the bill is outside of that
 */
async function checkUnreadBill(
  bench: Bench,
  { gateway, apiKey, account }: GatewayContender,
): Promise<string> {
  const requests = account.requests + READERS + WARM_UP_READERS
  // The first request, with which the gateway was found to serve, is older than the ledgers.
  const most = (await writtenTokens(bench.nodeUrls)) + 1
  const deadline = performance.now() + BILLED_WITHIN_MS
  for (;;) {
    const bill = await readBill(gateway, apiKey)
    const words = `${bill.total_requests} requests and ${bill.completion_tokens} tokens`
    const right = bill.completion_tokens > account.tokens && bill.completion_tokens <= most
    if (bill.total_requests === requests && right) {
      return `Billed: ${words}; nodes wrote ${most} tokens, ${account.tokens} of them to others, which were received.`
    }
    if (performance.now() > deadline) {
      throw new Error(`${words} are billed; ${requests} were sent, and nodes wrote ${most} tokens`)
    }
    await sleep(200)
  }
}

/** @throws LoadFailed when one of the streams is not complete */
async function othersItlP99(bench: Bench, contender: Contender): Promise<number> {
  const { streams, tokensPerSecond, seconds } = OTHERS
  await using session = await connectTo(bench.probe, contender, streams)
  const { samplesMicros } = await session.run({
    kind: 'streams',
    request: chatRequest(contender, { stream: true, tokens: seconds * tokensPerSecond, tokensPerSecond }),
    record: 'gaps',
    rampMs: 500,
    limitMs: limitMs(seconds),
  })
  return (
    quantile(
      samplesMicros.toSorted((a, b) => a - b),
      0.99,
    ) / 1000
  )
}
