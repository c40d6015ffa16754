import assert from 'node:assert/strict'
import { z } from 'zod'
import type { LedgerEntry, SimulatedNode } from '../../bench/nodes.js'
import { sseData } from './raw-http.js'

const Usage = z.object({
  prompt_tokens: z.number(),
  total_tokens: z.number(),
  completion_tokens: z.number(),
  prompt_tokens_details: z.object({ cached_tokens: z.number() }).nullish(),
})
const Frame = z.object({
  choices: z.array(
    z.object({
      index: z.number(),
      text: z.string().optional(),
      delta: z.object({ role: z.string().nullish(), content: z.string().nullish() }).optional(),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: Usage.nullish(),
})
export type Frame = z.infer<typeof Frame>

/** Posts with a request id. */
export function post(
  node: SimulatedNode,
  path: string,
  body: object,
  requestId = 'r',
  headers: Record<string, string> = {},
) {
  return fetch(node.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId, ...headers },
    body: JSON.stringify(body),
  })
}

/** All frames of a stream that must end with `[DONE]`. */
export async function frames(response: Response): Promise<Frame[]> {
  assert.equal(response.status, 200)
  const data = sseData(await response.text())
  assert.equal(data.pop(), '[DONE]')
  return data.map((json) => Frame.parse(JSON.parse(json)))
}

/** The text of one choice. */
export function textOf(all: readonly Frame[], index = 0): string {
  return all
    .flatMap((frame) => frame.choices)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.text ?? choice.delta?.content ?? '')
    .join('')
}

/** One attempt at a request, as the node saw it. */
export function attempt(node: SimulatedNode, requestId: string, at = 0): LedgerEntry {
  const entry = node.ledger.get(requestId)?.[at]
  assert.ok(entry, `no ledger entry for ${requestId}`)
  return entry
}

export const CONTINUOUS = {
  stream: true,
  stream_options: { include_usage: true, continuous_usage_stats: true },
}
export const HI = { model: 'sim-8b', messages: [{ role: 'user', content: 'Tell me about the sea.' }] }
