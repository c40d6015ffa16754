import { costNumber } from './pricing.js'
import type { RequestHead } from './request-head.js'
import type { SnapshotModel } from './snapshot.js'
import type { UsageEndpoint } from './usage-record.js'

/** Tokens of an answer to a request that does not say how long it may be, at most; the engine's own default is all the context. */
const DEFAULT_COMPLETION_TOKENS = 1_024

/** What a request is expected to use, before a node is asked. */
export interface TokenEstimate {
  readonly prompt: number
  readonly completion: number
}

/** Tokens of all prompts: bytes ÷ 4 and token ids, of each no more than the model can take, since a base64 image is no text. */
export function promptEstimate(head: RequestHead, model: SnapshotModel): number {
  const most = model.contextLength * Math.max(1, head.prompts)
  return Math.min(Math.ceil(head.promptBytes / 4) + head.promptTokenIds, most)
}

/** The prompts, and the longest answer that was asked for, of every choice. */
export function estimateTokens(
  endpoint: UsageEndpoint,
  head: RequestHead,
  model: SnapshotModel,
): TokenEstimate {
  const prompt = promptEstimate(head, model)
  if (endpoint === 'embeddings') return { prompt, completion: 0 }
  const prompts = Math.max(1, head.prompts)
  const room = Math.max(1, model.contextLength - Math.ceil(prompt / prompts))
  const each = Math.min(head.maxTokens ?? DEFAULT_COMPLETION_TOKENS, room)
  return { prompt, completion: each * head.n * prompts }
}

/** What that costs at most, in nano-dollars. */
export function estimateCost({ prompt, completion }: TokenEstimate, model: SnapshotModel): number {
  const tokens = { promptTokens: prompt, cachedTokens: 0, completionTokens: completion }
  return costNumber(tokens, model.prices)
}
