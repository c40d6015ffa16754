import { seededRandom } from '../nodes/random.js'
import { drawLength } from './lengths.js'
import { DEFAULT_OUTPUT_TOKENS, type Endpoint, type LoadPlan } from './plan.js'
import type { FilePrompt } from './prompt-file.js'
import { createSyntheticText } from './synthetic.js'

/** One request, ready to be sent. */
export interface MadeRequest {
  readonly bytes: Buffer
  /** Most tokens of its answer. */
  readonly outputTokens: number
  /** How far into its life it is to be left, from 0 to 1; null: it is read to its end. */
  readonly leaveAt: number | null
}

/** Makes the request of a number: the same one for the same plan, whichever process asks. */
export type RequestMaker = (number: number) => MadeRequest

const PATHS: Readonly<Record<Endpoint, string>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
}

/** URL of the plan's endpoint. */
export function endpointUrl({ url, endpoint }: Pick<LoadPlan, 'url' | 'endpoint'>): URL {
  return new URL(url + PATHS[endpoint])
}

/** Prefixes and prompts are numbered from different ends, so that no prompt begins like a prefix. */
const FIRST_PREFIX = 1 << 23

/** `prompts` null: synthetic ones. The model is known by now. */
export function createRequestMaker(
  plan: LoadPlan,
  model: string,
  prompts: readonly FilePrompt[] | null,
): RequestMaker {
  const head = headOf(plan)
  const promptOf = prompts === null ? syntheticPrompts(plan) : filePrompts(plan, prompts)
  const fixed = { model, ...answerFields(plan), ...plan.bodyFields }
  // A `max_tokens` beside it is refused by those who know it.
  const namesLength = 'max_tokens' in plan.bodyFields || 'max_completion_tokens' in plan.bodyFields
  const withLength = plan.endpoint !== 'embeddings' && !namesLength
  const open = JSON.stringify(fixed).slice(0, -1)

  return (number) => {
    const random = seededRandom(plan.seed ^ Math.imul(number + 1, 0x9e3779b1))
    const leaveDraw = random()
    const leaveAt = random()
    const { json, outputTokens } = promptOf(number, random)
    const length = withLength ? `,"max_tokens":${outputTokens}` : ''
    const body = `${open}${length},${json}}`
    return {
      bytes: Buffer.from(`${head}${Buffer.byteLength(body)}\r\n\r\n${body}`),
      outputTokens,
      leaveAt: leaveDraw < plan.abortRate ? leaveAt : null,
    }
  }
}

/** Request line and headers up to the value of `content-length`. */
function headOf(plan: LoadPlan): string {
  const url = endpointUrl(plan)
  const headers = [
    ['host', url.host],
    ['content-type', 'application/json'],
    ['accept', plan.stream ? 'text/event-stream' : 'application/json'],
    ...(plan.key === null ? [] : [['authorization', `Bearer ${plan.key}`]]),
    ...plan.headers,
  ]
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `POST ${url.pathname} HTTP/1.1\r\n${lines}content-length: `
}

function answerFields({ endpoint, stream }: LoadPlan): Record<string, unknown> {
  if (endpoint === 'embeddings') return {}
  return stream ? { stream: true, stream_options: { include_usage: true } } : { stream: false }
}

/** Members of the body that hold the prompt, without braces. */
interface Prompt {
  readonly json: string
  readonly outputTokens: number
}

function syntheticPrompts(plan: LoadPlan): (number: number, random: () => number) => Prompt {
  const { prompts, outputTokens, endpoint, seed } = plan
  if (prompts.kind !== 'synthetic') throw new Error('the plan has no synthetic prompts')
  const synthetic = createSyntheticText(seed)
  const prefixes = Array.from({ length: prompts.sharedPrefixTokens === 0 ? 0 : prompts.prefixes }, (_, at) =>
    synthetic.text(FIRST_PREFIX + at, prompts.sharedPrefixTokens),
  )
  return (number, random) => {
    const text = synthetic.text(number, drawLength(prompts.tokens, random))
    const prefix = prefixes[Math.floor(random() * prefixes.length)]
    const tokens = outputTokens === null ? DEFAULT_OUTPUT_TOKENS : drawLength(outputTokens, random)
    return { json: syntheticJson(endpoint, text, prefix), outputTokens: tokens }
  }
}

/** The words need no escapes. A prefix is what a service tells its model before each question. */
function syntheticJson(endpoint: Endpoint, text: string, prefix: string | undefined): string {
  switch (endpoint) {
    case 'chat': {
      const system = prefix === undefined ? '' : `{"role":"system","content":"${prefix}"},`
      return `"messages":[${system}{"role":"user","content":"${text}"}]`
    }
    case 'completions':
    case 'embeddings': {
      const name = endpoint === 'completions' ? 'prompt' : 'input'
      return `"${name}":"${prefix === undefined ? '' : `${prefix} `}${text}"`
    }
  }
}

function filePrompts(
  plan: LoadPlan,
  prompts: readonly FilePrompt[],
): (number: number, random: () => number) => Prompt {
  // What the command says wins over what the file says, as far as it says something.
  const own = new Set([...Object.keys(answerFields(plan)), ...Object.keys(plan.bodyFields), 'stream'])
  const members = prompts.map(({ fields, outputTokens }) => {
    const kept = Object.entries(fields).filter(([name]) => name !== 'model' && !own.has(name))
    return { json: JSON.stringify(Object.fromEntries(kept)).slice(1, -1), outputTokens }
  })
  return (number, random) => {
    const member = members[number % members.length]
    if (member === undefined) throw new RangeError('there is no prompt')
    const asked = plan.outputTokens === null ? null : drawLength(plan.outputTokens, random)
    return { json: member.json, outputTokens: asked ?? member.outputTokens ?? DEFAULT_OUTPUT_TOKENS }
  }
}
