/**
 * The stand-in of SkyPilot's API server as a process of its own, whose machines do as their tasks say: it outlives a control
 * process that is killed, and ends, machines and all, with whoever started it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { z } from 'zod'
import type { FaultsInput } from './skypilot/faults.js'
import { startTaskMachine } from './skypilot/machine.js'
import { type ClusterCounts, startSkyPilotServer } from './skypilot-server.js'

const MODULE = fileURLToPath(import.meta.url)
const Ready = z.object({ url: z.string(), token: z.string() })
const Counts = z.object({
  launches: z.record(z.string(), z.number()),
  started: z.record(z.string(), z.number()),
  alive: z.array(z.string()),
})

export interface SkyPilotProcess extends AsyncDisposable {
  readonly url: string
  readonly token: string
  readonly pid: number
  setFaults(change: FaultsInput): Promise<void>
  /** The provider takes a machine. @param noticeMs null: without a notice */
  preempt(cluster: string, noticeMs: number | null): Promise<void>
  /** What runs on a machine ends; the machine stays until its idle minutes are over. */
  crash(cluster: string): Promise<void>
  counts(): Promise<ClusterCounts>
}

export interface SkyPilotProcessInput {
  readonly faults?: FaultsInput
  /** How long one of SkyPilot's idle minutes takes there. */
  readonly minuteMs?: number
}

/** Starts one. @throws when it does not start */
export async function startSkyPilotProcess({
  faults = {},
  minuteMs = 60_000,
}: SkyPilotProcessInput = {}): Promise<SkyPilotProcess> {
  const child = fork(MODULE, [JSON.stringify({ faults, minuteMs })], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const lost = exited.then((): never => {
    throw new Error('the stand-in of SkyPilot did not start')
  })
  lost.catch(() => {})
  const values: unknown[] = await Promise.race([once(child, 'message'), lost])
  const { url, token } = Ready.parse(values[0])

  async function post(path: string, body: unknown): Promise<void> {
    const reply = await request(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })
    const text = await reply.body.text()
    if (reply.statusCode !== 200) throw new Error(`${path} was refused: ${text}`)
  }

  return {
    url,
    token,
    pid: child.pid ?? 0,
    setFaults: (change) => post('/faults', change),
    preempt: (cluster, noticeMs) => post('/faults/preempt', { cluster, noticeMs }),
    crash: (cluster) => post('/faults/crash', { cluster }),
    async counts() {
      return Counts.parse(await (await request(`${url}/counts`)).body.json())
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

async function main([input = '{}']: readonly string[]): Promise<void> {
  const { faults, minuteMs } = z
    .object({ faults: z.record(z.string(), z.unknown()), minuteMs: z.number() })
    .parse(JSON.parse(input))
  await using server = await startSkyPilotServer({ minuteMs, startInstance: startTaskMachine })
  server.setFaults(faults)
  process.send?.({ url: server.url, token: server.token })
  await once(process, 'disconnect')
}

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === MODULE) await main(process.argv.slice(2))
