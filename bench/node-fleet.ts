import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const MODULE = fileURLToPath(new URL('./nodes.js', import.meta.url))
const Ready = z.object({ nodes: z.array(z.object({ url: z.string(), model: z.string() })) })

interface NodeProcess {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  readonly nodes: readonly { readonly url: string; readonly model: string }[]
}

async function startNodeProcess(args: readonly string[]): Promise<NodeProcess> {
  // In its own process group: a Ctrl-C reaches the parent alone. It ends when the channel to its parent closes.
  const child = fork(MODULE, [...args], { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const lost = exited.then((): never => {
    throw new Error('the simulated nodes did not start')
  })
  lost.catch(() => {})
  const values: unknown[] = await Promise.race([once(child, 'message'), lost])
  return { child, exited, nodes: Ready.parse(values[0]).nodes }
}

async function end({ child, exited }: NodeProcess): Promise<void> {
  if (child.connected) child.disconnect()
  await exited
}

/** Simulated nodes in a process of their own. */
export interface NodeFleet extends AsyncDisposable {
  /** `http://host:port` of each. */
  readonly urls: readonly string[]
  readonly pid: number
}

/** Starts simulated nodes; `args` as their command takes them. @throws when they do not start */
export async function startNodeFleet(args: readonly string[]): Promise<NodeFleet> {
  const running = await startNodeProcess(args)
  return {
    urls: running.nodes.map(({ url }) => url),
    pid: running.child.pid ?? 0,
    [Symbol.asyncDispose]: () => end(running),
  }
}

/** One simulated node in a process of its own, which can be killed as a machine dies. */
export interface KillableNode extends AsyncDisposable {
  /** `http://host:port`, the same after each start. */
  readonly url: string
  /** What it serves, as a node in this process says it. */
  readonly options: { readonly models: readonly string[] }
  readonly running: boolean
  /** Ends its process with SIGKILL; resolves when it is gone. What its ledger held is gone as well. */
  kill(): Promise<void>
  /** Starts it again where it was. @throws when it cannot */
  restart(): Promise<void>
}

/** Starts one node; `args` as the command takes them, without a port. @throws when it does not start */
export async function startKillableNode(args: readonly string[] = []): Promise<KillableNode> {
  let current: NodeProcess | null = await startNodeProcess(args)
  const [node] = current.nodes
  if (node === undefined) throw new Error('the process has no node')
  const { url, model } = node
  const { port } = new URL(url)
  return {
    url,
    options: { models: [model] },
    get running() {
      return current !== null
    },
    async kill() {
      const victim = current
      current = null
      victim?.child.kill('SIGKILL')
      await victim?.exited
    },
    async restart() {
      current ??= await startNodeProcess([...args, '--port', port])
    },
    async [Symbol.asyncDispose]() {
      const last = current
      current = null
      if (last !== null) await end(last)
    },
  }
}
