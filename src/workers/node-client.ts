import { Agent, type Dispatcher, request } from 'undici'
import { z } from 'zod'
import { type EngineLoad, engineLoad } from '../core/engine-metrics.js'
import type { ModelType, SnapshotNode } from '../core/snapshot.js'
import { lookupNode } from '../io/node-lookup.js'

/** Asks nodes for their health and load, at most until the signal. */
export interface NodeClient extends AsyncDisposable {
  /** Whether the node's `/health` answers as it should, within the time. */
  isHealthy(node: SnapshotNode, timeoutMs: number, signal: AbortSignal): Promise<boolean>
  /**
   * Whether the node generates: it is asked for one token, or for one embedding, as a tenant would. One that is too busy
   * for it (429) does. Waits ten seconds at most.
   */
  generates(node: SnapshotNode, modelType: ModelType, signal: AbortSignal): Promise<boolean>
  /** The load that the node's `/metrics` tells, which may be nothing; null when it does not answer. */
  load(node: SnapshotNode, signal: AbortSignal): Promise<EngineLoad | null>
}

/** vLLM's is about 100 KB. */
const MOST_METRICS_BYTES = 4 * 1024 * 1024
const METRICS_TIMEOUT_MS = 2_000
const GENERATION_TIMEOUT_MS = 10_000
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

  /** @param body sent as JSON by POST; null: GET */
  async function ask<T>(
    node: SnapshotNode,
    { path, timeoutMs, body }: { path: string; timeoutMs: number; body: object | null },
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
      const credential = node.apiKey === null ? {} : { authorization: `Bearer ${node.apiKey}` }
      const options = { dispatcher: agent, signal: over.signal }
      const asked =
        body === null
          ? { ...options, headers: credential }
          : {
              ...options,
              method: 'POST' as const,
              headers: { ...credential, 'content-type': 'application/json' },
              body: JSON.stringify(body),
            }
      return await read(await request(new URL(path, node.endpointUrl), asked))
    } catch {
      // Refused, too late, cut off or not JSON: to find that out is what the node is asked for.
      return null
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
  }

  return {
    async isHealthy(node, timeoutMs, signal) {
      const health = { path: '/health', timeoutMs, body: null }
      const status = await ask(node, health, signal, async ({ statusCode, body }) => {
        await body.dump({ limit: MOST_HEALTH_BYTES })
        return statusCode
      })
      if (status === null) return false
      // Servers that are merely OpenAI-compatible may have no /health: any answer of theirs shows that they are up.
      return (status >= 200 && status < 300) || (node.engine === 'openai' && status < 500)
    },
    async generates(node, modelType, signal) {
      const question = { ...leastGeneration(node, modelType), timeoutMs: GENERATION_TIMEOUT_MS }
      const works = await ask(node, question, signal, async ({ statusCode, body }) => {
        const text = await body.text()
        return statusCode === 429 || (statusCode === 200 && hasAnswer(text))
      })
      return works ?? false
    },
    load: (node, signal) => {
      const metrics = { path: '/metrics', timeoutMs: METRICS_TIMEOUT_MS, body: null }
      return ask(node, metrics, signal, async ({ statusCode, body }) => {
        const text = await body.text()
        return engineLoad(statusCode === 200 ? text : '')
      })
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy()
    },
  }
}

/** The cheapest request that has the engine work. */
function leastGeneration({ upstreamModel: model }: SnapshotNode, modelType: ModelType) {
  switch (modelType) {
    case 'chat': {
      const messages = [{ role: 'user', content: 'Hi' }]
      return { path: '/v1/chat/completions', body: { model, messages, max_tokens: 1 } }
    }
    case 'completion':
      return { path: '/v1/completions', body: { model, prompt: 'Hi', max_tokens: 1 } }
    case 'embedding':
      return { path: '/v1/embeddings', body: { model, input: 'Hi' } }
  }
}

const Answer = z.union([
  z.object({ choices: z.array(z.unknown()).min(1) }),
  z.object({ data: z.array(z.unknown()).min(1) }),
])

/** @throws SyntaxError when it is no JSON */
function hasAnswer(text: string): boolean {
  return Answer.safeParse(JSON.parse(text)).success
}
