import { Agent, type Dispatcher, request } from 'undici'
import { type EngineLoad, engineLoad } from '../core/engine-metrics.js'
import type { SnapshotNode } from '../core/snapshot.js'
import { lookupNode } from '../io/node-lookup.js'

/** Asks nodes for their health and load, at most until the signal. */
export interface NodeClient extends AsyncDisposable {
  /** Whether the node's `/health` answers as it should, within the time. */
  isHealthy(node: SnapshotNode, timeoutMs: number, signal: AbortSignal): Promise<boolean>
  /** The load that the node's `/metrics` tells, which may be nothing; null when it does not answer. */
  load(node: SnapshotNode, signal: AbortSignal): Promise<EngineLoad | null>
}

/** vLLM's is about 100 KB. */
const MOST_METRICS_BYTES = 4 * 1024 * 1024
const METRICS_TIMEOUT_MS = 2_000
/** Of a health reply nothing but the status counts; the rest is read so that the connection can be used again. */
const MOST_HEALTH_BYTES = 64 * 1024

/** A client with connections of its own to each node. Redirects are not followed. */
export function createNodeClient(): NodeClient {
  const agent = new Agent({
    connections: 2,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    maxResponseSize: MOST_METRICS_BYTES,
    connect: { lookup: lookupNode, timeout: 5_000 },
  })

  async function get<T>(
    node: SnapshotNode,
    path: string,
    timeoutMs: number,
    signal: AbortSignal,
    read: (response: Dispatcher.ResponseData) => Promise<T>,
  ): Promise<T | null> {
    const over = new AbortController()
    const abort = () => {
      over.abort()
    }
    const timer = setTimeout(abort, timeoutMs)
    signal.addEventListener('abort', abort)
    try {
      const headers = node.apiKey === null ? {} : { authorization: `Bearer ${node.apiKey}` }
      return await read(
        await request(new URL(path, node.endpointUrl), { dispatcher: agent, headers, signal: over.signal }),
      )
    } catch {
      // Refused, too late or cut off: to find that out is what the node is asked for.
      return null
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  return {
    async isHealthy(node, timeoutMs, signal) {
      const status = await get(node, '/health', timeoutMs, signal, async ({ statusCode, body }) => {
        await body.dump({ limit: MOST_HEALTH_BYTES })
        return statusCode
      })
      if (status === null) return false
      // Servers that are merely OpenAI-compatible may have no /health: any answer of theirs shows that they are up.
      return (status >= 200 && status < 300) || (node.engine === 'openai' && status < 500)
    },
    load: (node, signal) =>
      get(node, '/metrics', METRICS_TIMEOUT_MS, signal, async ({ statusCode, body }) => {
        const text = await body.text()
        return engineLoad(statusCode === 200 ? text : '')
      }),
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}
