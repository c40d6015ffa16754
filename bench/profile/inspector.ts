import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'undici'
import { z } from 'zod'
import type { GatewayProcess } from '../gateway-process.js'

/** Given to the gateway's processes, each takes any free port for its inspector, should it ever be asked for one. */
export const INSPECTOR_OPTIONS = '--inspect-port=0'

/** A session with one process in the Chrome DevTools protocol. */
export interface Inspector extends Disposable {
  /**
   * Calls a method and parses its result.
   * @throws when the process refuses or the connection ends
   */
  call<S extends z.ZodType>(method: string, params: object, result: S): Promise<z.output<S>>
}

const LISTENING = /Debugger listening on (ws:\/\/\S+)/
const OPEN_MS = 10_000
const Reply = z.union([
  z.object({ id: z.number(), error: z.object({ message: z.string() }) }),
  z.object({ id: z.number(), result: z.unknown() }),
])

/**
 * Has one of the gateway's processes open its inspector, as SIGUSR1 does with any Node process, and connects to it.
 * The gateway must have been started with {@link INSPECTOR_OPTIONS} in its NODE_OPTIONS.
 * @throws when the inspector does not open
 */
export async function openInspector(gateway: GatewayProcess, pid: number): Promise<Inspector> {
  const before = gateway.stderr().length
  process.kill(pid, 'SIGUSR1')
  const deadline = performance.now() + OPEN_MS
  for (;;) {
    const url = LISTENING.exec(gateway.stderr().slice(before))?.[1]
    if (url !== undefined) return connect(url)
    if (performance.now() > deadline) throw new Error('the proxy did not open its inspector')
    await sleep(10)
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

async function connect(url: string): Promise<Inspector> {
  const socket = new WebSocket(url)
  const waiting = new Map<number, Waiting>()
  let calls = 0
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => {
      resolve()
    })
    socket.addEventListener('error', () => {
      reject(new Error(`the inspector at ${url} cannot be connected to`))
    })
  })
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('the inspector closed the connection'))
    waiting.clear()
  })
  socket.addEventListener('message', ({ data }) => {
    const reply = Reply.safeParse(JSON.parse(String(data))).data
    // Events have no id.
    if (reply === undefined) return
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) call?.reject(new Error(`the inspector refused: ${reply.error.message}`))
    else call?.resolve(reply.result)
  })
  return {
    async call(method, params, schema) {
      const id = (calls += 1)
      const result = new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
      })
      socket.send(JSON.stringify({ id, method, params }))
      return schema.parse(await result)
    },
    [Symbol.dispose]() {
      socket.close()
    },
  }
}
