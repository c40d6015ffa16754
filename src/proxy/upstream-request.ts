import { editRequest } from '../core/request-edit.js'
import type { RequestHead } from '../core/request-head.js'
import type { TapOptions } from '../core/sse-tap.js'
import type { Engine } from '../core/snapshot.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import type { HttpCall } from '../io/uws.js'
import type { Target } from './target.js'
import type { UpstreamRequest } from './upstream.js'

const PATHS: Readonly<Record<UsageEndpoint, string>> = {
  'chat.completions': '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
}

/** Engines that can report usage in every frame; others report it in the last one alone. */
const CONTINUOUS: ReadonlySet<Engine> = new Set<Engine>(['vllm', 'sglang', 'simulated'])

/** Whether an engine can be continued, and tells with every token what it has used. */
export function tellsUsageAsItGoes(engine: Engine): boolean {
  return CONTINUOUS.has(engine)
}

/**
 * How the usage in the node's stream reaches the client: not at all (`cut`), in the last frame alone (`final`), or as
 * the node sends it, which is what the client asked for (`untouched`).
 */
export function usageMode(head: RequestHead, engine: Engine): TapOptions['mode'] {
  const options = head.streamOptions
  if (options?.includeUsage !== true) return 'cut'
  return options.continuousUsageStats || !CONTINUOUS.has(engine) ? 'untouched' : 'final'
}

/** What may travel to a node: anything else of the client's headers, its key above all, stays here. */
const FORWARDED = ['accept', 'traceparent', 'tracestate'] as const

/** Line breaks and NUL end a header: a value that holds one is left out. */
const SAFE_VALUE = /^[\t\x20-\x7e\x80-\xff]+$/

function headerLine(name: string, value: string | undefined): string {
  return value !== undefined && SAFE_VALUE.test(value) ? `${name}: ${value}\r\n` : ''
}

/** The request as one node gets it: our own headers, the client's bytes with model and usage options spliced in. */
export function buildUpstreamRequest(
  call: Pick<HttpCall, 'requestId' | 'header'>,
  endpoint: UsageEndpoint,
  body: Buffer,
  head: RequestHead,
  target: Target,
): UpstreamRequest {
  const { node } = target
  const parts = editRequest(body, head, {
    upstreamModel: node.upstreamModel,
    usage: CONTINUOUS.has(node.engine) ? 'continuous' : 'final',
  })
  let length = 0
  for (const part of parts) length += part.length
  let lines =
    `POST ${PATHS[endpoint]} HTTP/1.1\r\nhost: ${target.host}\r\n` +
    `content-type: application/json\r\ncontent-length: ${length}\r\nx-request-id: ${call.requestId}\r\n`
  for (const name of FORWARDED) lines += headerLine(name, call.header(name))
  if (node.apiKey !== null) lines += headerLine('authorization', `Bearer ${node.apiKey}`)
  return { head: `${lines}\r\n`, body: parts }
}
