import type { Contender } from '../contenders/contender.js'
import type { PlannedRequest } from '../load/messages.js'

/** The model that the simulated nodes serve. */
export const MODEL = 'sim-8b'
const CHAT_PATH = '/v1/chat/completions'
const PROMPT = 'In one sentence: what does a reverse proxy do?'

export interface ChatOptions {
  readonly tokens: number
  readonly stream?: boolean
  /** Pace of the node, for streams; 0: as fast as it is read. */
  readonly tokensPerSecond?: number
  /** Text, or parts as the API has them; default a short question. */
  readonly content?: string | readonly object[]
}

/** A chat request for exactly so many tokens, about 150 bytes unless `content` says otherwise. */
export function chatRequest(
  { headers, model, frames }: Pick<Contender, 'headers' | 'model' | 'frames'>,
  { tokens, stream = false, tokensPerSecond, content = PROMPT }: ChatOptions,
): PlannedRequest {
  const pace = tokensPerSecond === undefined || tokensPerSecond === 0 ? 0 : 1000 / tokensPerSecond
  const body = JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    max_tokens: tokens,
    ...(stream && { stream, sim_itl_ms: pace }),
  })
  return { path: CHAT_PATH, headers, body, stream, tokens, frames }
}
