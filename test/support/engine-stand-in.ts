import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type PlainServer, startPlainServer } from './plain-server.js'

/** What an inference server says of itself, and a process that can be told to stop. */
export interface EngineStandIn extends AsyncDisposable {
  readonly url: string
  readonly server: PlainServer
  readonly pid: string
  /** The signal that ended its process; null while it runs. */
  readonly endedBy: () => string | null
  say(changes: { healthy?: boolean; metrics?: string }): void
  /** Ends its process as a crash does. */
  crash(): Promise<void>
}

export const vllmMetrics = (running: number, waiting = 0, cache = 0): string =>
  `vllm:num_requests_running{engine="0"} ${running}\n` +
  `vllm:num_requests_waiting{engine="0"} ${waiting}\n` +
  `vllm:kv_cache_usage_perc{engine="0"} ${cache}\n`

/** Starts one that is healthy and idle. */
export async function startEngineStandIn(): Promise<EngineStandIn> {
  let healthy = true
  let metrics = vllmMetrics(0)
  const server = await startPlainServer(({ url }, response) => {
    if (url === '/health') response.writeHead(healthy ? 200 : 503).end()
    else if (url === '/metrics') response.end(metrics)
    else if (url === '/version') response.end(JSON.stringify({ version: '0.11.2' }))
    else response.writeHead(404).end()
  })
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  return {
    url: server.url,
    server,
    pid: String(child.pid),
    endedBy: () => child.signalCode,
    say(changes) {
      healthy = changes.healthy ?? healthy
      metrics = changes.metrics ?? metrics
    },
    async crash() {
      await server.goAway()
      await kill('SIGKILL')
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await kill('SIGKILL')
    },
  }
}
