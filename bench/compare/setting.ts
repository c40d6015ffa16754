import { startNodeFleet } from '../node-fleet.js'
import type { Bench } from './bench.js'
import { contenderOf, type RunningContender } from './contenders/contender.js'
import { locateDebianProgram, REDIS } from './contenders/debian-program.js'
import { startGatewayContender } from './contenders/gateway-contender.js'
import { PEERS } from './contenders/peers.js'
import { startLoadGenerator } from './load/generator.js'
import type { Plan } from './plan.js'
import { raiseOpenFiles } from './open-files.js'
import { MODEL } from './scenarios/chat.js'
import { OPEN_FILES } from './scenarios/many-streams.js'

/** Nodes, contenders and generators, all running. Disposal ends them, the last started first. */
export interface Setting extends AsyncDisposable {
  readonly bench: Bench
  /** Peers that were asked for and cannot take part. */
  readonly absent: readonly Absent[]
}

export interface Absent {
  readonly name: string
  /** Why, and how to get it. */
  readonly reason: string
}

const NODES = 2
/** Nodes that are never the limit. */
export const NODE_OPTIONS = ['--count', String(NODES), '--max-running', '100000', '--keep-alive-ms', '300000']

/** @throws when nodes, gateway or generators do not start, or `interrupted` rejects */
export async function startSetting(plan: Plan, interrupted: Promise<never>): Promise<Setting> {
  const started: AsyncDisposable[] = []
  let stopped = false
  const start = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => {
    const running = await starting
    started.push(running)
    // Interrupted while it started.
    if (stopped) await stop()
    return running
  }
  const stop = async () => {
    stopped = true
    for (let last = started.pop(); last !== undefined; last = started.pop()) await last[Symbol.asyncDispose]()
  }
  const startAll = async (): Promise<Setting> => {
    await raiseOpenFiles(OPEN_FILES)
    const fleet = await start(startNodeFleet(NODE_OPTIONS))
    const backends = { model: MODEL, nodeUrls: fleet.urls }
    const peers: RunningContender[] = []
    const absent: Absent[] = []
    for (const name of plan.peers) {
      const startPeer = PEERS.get(name)
      if (startPeer === undefined) continue
      try {
        peers.push(await start(startPeer(backends)))
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error)
        absent.push({ name, reason: words.replaceAll(/\s+/g, ' ') })
      }
    }
    // The gateway starts it where it is; without it all but one scenario are measured.
    await locateDebianProgram(REDIS).catch(() => {})
    const gateway = await start(startGatewayContender(backends))
    const [first = ''] = fleet.urls
    const direct = contenderOf({
      name: 'direct',
      description: 'a node itself',
      host: new URL(first).hostname,
      port: Number(new URL(first).port),
      pid: fleet.pid,
      model: MODEL,
    })
    const bench: Bench = {
      pairs: plan.pairs,
      seconds: plan.seconds,
      nodeUrls: fleet.urls,
      direct,
      peers,
      gateway,
      load: await start(startLoadGenerator()),
      probe: await start(startLoadGenerator()),
      note: (text) => {
        console.log(text.replaceAll(/^/gm, '  '))
      },
    }
    return { bench, absent, [Symbol.asyncDispose]: stop }
  }
  try {
    return await Promise.race([startAll(), interrupted])
  } catch (error) {
    await stop()
    throw error
  }
}
