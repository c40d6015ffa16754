import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const MODULE = fileURLToPath(new URL('./nodes.js', import.meta.url))
const Ready = z.object({ nodes: z.array(z.object({ url: z.string() })) })

/** Simulated nodes in a process of their own. */
export interface NodeFleet extends AsyncDisposable {
  /** `http://host:port` of each. */
  readonly urls: readonly string[]
  readonly pid: number
}

/** Starts simulated nodes; `args` as their command takes them. @throws when they do not start */
export async function startNodeFleet(args: readonly string[]): Promise<NodeFleet> {
  // In its own process group: a Ctrl-C reaches the parent alone. It ends when the channel to its parent closes.
  const child = fork(MODULE, [...args], { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const lost = exited.then((): never => {
    throw new Error('the simulated nodes did not start')
  })
  lost.catch(() => {})
  const values: unknown[] = await Promise.race([once(child, 'message'), lost])
  return {
    urls: Ready.parse(values[0]).nodes.map(({ url }) => url),
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
