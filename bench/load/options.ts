import { parseArgs } from 'node:util'
import { UsageError, wholeNumber } from '../command.js'
import { MOST_TOKENS, type Lengths } from './lengths.js'
import { loadOf } from './load-options.js'
import { contradict, lengths, oneOf, seconds, share } from './option-values.js'
import { ENDPOINTS, type LoadPlan } from './plan.js'
import { parseBodyField, parseHeader, parseUrl } from './request-options.js'
import { parseSlo } from './slo.js'

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:8080' },
  key: { type: 'string' },
  model: { type: 'string' },
  header: { type: 'string', multiple: true },
  insecure: { type: 'boolean', default: false },
  rate: { type: 'string' },
  arrivals: { type: 'string' },
  concurrency: { type: 'string' },
  ramp: { type: 'string' },
  steps: { type: 'string' },
  mode: { type: 'string' },
  'warm-up': { type: 'string', default: '0s' },
  duration: { type: 'string' },
  requests: { type: 'string' },
  'max-open': { type: 'string', default: '10000' },
  timeout: { type: 'string', default: '600s' },
  'abort-rate': { type: 'string', default: '0' },
  processes: { type: 'string', default: '1' },
  endpoint: { type: 'string', default: 'chat' },
  'no-stream': { type: 'boolean', default: false },
  'prompt-tokens': { type: 'string' },
  'output-tokens': { type: 'string' },
  'shared-prefix': { type: 'string' },
  prefixes: { type: 'string' },
  prompts: { type: 'string' },
  'body-field': { type: 'string', multiple: true },
  seed: { type: 'string', default: '1' },
  slo: { type: 'string' },
  out: { type: 'string' },
  report: { type: 'string' },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** What the command was asked to do. */
export interface LoadOptions {
  readonly plan: LoadPlan
  /** Where the result goes as JSON, and as a page. */
  readonly out: string | null
  readonly report: string | null
}

const DEFAULT_PROMPT: Lengths = { kind: 'fixed', tokens: 256 }

/**
 * Reads the command's arguments; pure, `env` is where a key may stand.
 * @throws UsageError, or the error of `parseArgs`
 */
export function planOf(args: readonly string[], env: NodeJS.ProcessEnv = {}): LoadOptions {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  const endpoint = oneOf('endpoint', values.endpoint, ENDPOINTS)
  const stream = endpoint !== 'embeddings' && !values['no-stream']
  const headers = (values.header ?? []).map(parseHeader)
  const slo = values.slo === undefined ? null : parseSlo(values.slo)
  if (!stream && (slo?.ttftMicros !== undefined || slo?.itlMicros !== undefined))
    throw new UsageError('--slo can hold ttft and itl only for streams: leave them out, or --no-stream')
  if (endpoint === 'embeddings' && values['output-tokens'] !== undefined)
    throw new UsageError('embeddings have no answer: leave out --output-tokens')
  const plan: LoadPlan = {
    url: parseUrl(values.url),
    key: keyOf(values, headers, env),
    model: values.model ?? null,
    insecure: values.insecure,
    endpoint,
    stream,
    ...loadOf(values),
    warmUpSeconds: seconds('warm-up', values['warm-up'], 0),
    maxOpen: wholeNumber('max-open', values['max-open'], 1, 1_000_000),
    timeoutMs: seconds('timeout', values.timeout, 0.001) * 1000,
    abortRate: share('abort-rate', values['abort-rate']),
    prompts: promptsOf(values),
    outputTokens:
      values['output-tokens'] === undefined ? null : lengths('output-tokens', values['output-tokens']),
    headers,
    bodyFields: Object.fromEntries((values['body-field'] ?? []).map(parseBodyField)),
    slo,
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1),
    processes: wholeNumber('processes', values.processes, 1, 64),
  }
  return { plan, out: values.out ?? null, report: values.report ?? null }
}

/** An empty one is none: `CROSSLOGIC_API_KEY= npm run bench …` takes it away. */
function keyOf(values: Values, headers: LoadPlan['headers'], env: NodeJS.ProcessEnv): string | null {
  const own = headers.some(([name]) => name.toLowerCase() === 'authorization')
  if (own && values.key !== undefined)
    throw new UsageError('--key and --header authorization contradict each other: give one of them')
  if (own) return null
  const key = [values.key, env['CROSSLOGIC_API_KEY'], env['OPENAI_API_KEY']].find(
    (one) => one !== undefined && one !== '',
  )
  if (key === undefined) return null
  if (!VISIBLE.test(key)) throw new UsageError('the key holds characters that no header can hold')
  return key
}

const VISIBLE = /^[\x21-\x7e]+$/

function promptsOf(values: Values): LoadPlan['prompts'] {
  if (values.prompts !== undefined) {
    const synthetic = (['prompt-tokens', 'shared-prefix', 'prefixes'] as const).find(
      (name) => values[name] !== undefined,
    )
    if (synthetic !== undefined) contradict('prompts', synthetic)
    return { kind: 'file', path: values.prompts }
  }
  if (values.prefixes !== undefined && values['shared-prefix'] === undefined)
    throw new UsageError('--prefixes needs --shared-prefix, their length in tokens')
  const length = values['prompt-tokens']
  return {
    kind: 'synthetic',
    tokens: length === undefined ? DEFAULT_PROMPT : lengths('prompt-tokens', length),
    sharedPrefixTokens: wholeNumber('shared-prefix', values['shared-prefix'] ?? '0', 0, MOST_TOKENS),
    prefixes: wholeNumber('prefixes', values.prefixes ?? '1', 1, 1_000_000),
  }
}
