import { appendToken, EMPTY_TOKEN, hashText, tokenAfter } from './language.js'
import type { FinishReason } from './frames.js'
import { modelOf } from './generation.js'
import { parseOptions, type SimulatedNodeInput } from './options.js'
import { readGenerationRequest, type Endpoint } from './prompt.js'

/** What one undisturbed node makes of a request. */
export interface ExpectedAnswer {
  readonly text: string
  /** The text, token by token; the one that ends an answer by itself is the empty one. */
  readonly tokens: readonly string[]
  readonly finish: FinishReason
  readonly promptTokens: number
}

/**
 * The first answer that any node with these options gives to a body: known without asking one, so that what came
 * through a gateway can be held against it. @throws EngineError when a node would refuse the body
 */
export function expectedAnswer(
  endpoint: Endpoint,
  body: Readonly<Record<string, unknown>>,
  input: SimulatedNodeInput = {},
): ExpectedAnswer {
  const options = parseOptions(input)
  const request = readGenerationRequest(endpoint, body, options)
  const model = modelOf(options, request)
  const tokens: string[] = []
  let hash = hashText(0, request.prompts[0]?.text ?? '')
  let finish: FinishReason = 'length'
  while (tokens.length < request.maxTokens && finish === 'length') {
    const token = tokenAfter(hash, model, 0)
    hash = appendToken(hash, token)
    tokens.push(token.text)
    if (token === EMPTY_TOKEN) finish = 'stop'
  }
  return { text: tokens.join(''), tokens, finish, promptTokens: request.promptTokens }
}
