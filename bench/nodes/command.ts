import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { UsageError, type Command } from '../command.js'
import { parseOptions, type SimulatedNodeOptions } from './options.js'
import { startSimulatedNode, type SimulatedNode } from './simulated-node.js'

const HELP = `Simulated GPU nodes: OpenAI-compatible servers that behave like vLLM, with fault injection and a ledger.

usage: nodes [options]

  --count N             how many nodes, in one process (1)
  --port N              port of the first, the others follow; 0: any free ports (0)
  --host ADDRESS        where they listen (127.0.0.1)
  --model NAME          served model; repeat it for more (sim-8b)
  --flavour NAME        vllm | sglang | plain (vllm)
  --ttft-ms N           time to first token (0)
  --prefill-ms N        added for each 1,000 prompt tokens (0)
  --itl-ms N            between two tokens; 0: as fast as the socket takes them (0)
  --jitter F            each wait is drawn from ± this fraction (0)
  --max-running N       requests in work at once, the others queue (256)
  --chat-max-tokens N   answer length without max_tokens: chat (128)
  --completion-max-tokens N   completions (16)
  --context-length N    prompt and answer together (131072)
  --eos F               chance that an answer ends after any one token (0)
  --cached F            fraction of each prompt that counts as cached (0)
  --prefix-cache        remember prompt prefixes
  --load-header         replies tell the node's load (ORCA)
  --dimensions N        of embeddings (64)
  --api-key KEY         demanded as a bearer token
  --late-headers        stream headers come with the first token
  --keep-alive-ms N     idle connections close after this (5000)
  --seed N              of jitter and fault draws; node i gets N + i (1)
  --model-seed N        of the text: nodes with the same one give the same answers (1)
  --fault KIND[=P]      standing fault with probability P (1); repeat it for more
  --load-ms N           before it listens, as an engine that loads a model (0)
  --stop-with-stdin     end when standard input closes
  --help

Prints one JSON line when all listen: {"event":"ready","nodes":[{"url","model"}]}. Ends on SIGTERM, SIGINT, or
when its parent's IPC channel closes.
`

const OPTIONS = {
  count: { type: 'string', default: '1' },
  port: { type: 'string', default: '0' },
  host: { type: 'string' },
  model: { type: 'string', multiple: true },
  flavour: { type: 'string' },
  'ttft-ms': { type: 'string' },
  'prefill-ms': { type: 'string' },
  'itl-ms': { type: 'string' },
  jitter: { type: 'string' },
  'max-running': { type: 'string' },
  'chat-max-tokens': { type: 'string' },
  'completion-max-tokens': { type: 'string' },
  'context-length': { type: 'string' },
  eos: { type: 'string' },
  cached: { type: 'string' },
  'prefix-cache': { type: 'boolean' },
  'load-header': { type: 'boolean' },
  dimensions: { type: 'string' },
  'api-key': { type: 'string' },
  'late-headers': { type: 'boolean' },
  'keep-alive-ms': { type: 'string' },
  seed: { type: 'string', default: '1' },
  'model-seed': { type: 'string' },
  fault: { type: 'string', multiple: true },
  'load-ms': { type: 'string', default: '0' },
  'stop-with-stdin': { type: 'boolean' },
} as const

/** Flags that are numbers of a node, and the option that each one sets. */
const NUMBERS = [
  ['ttft-ms', 'ttftMs'],
  ['prefill-ms', 'prefillMsPer1k'],
  ['itl-ms', 'itlMs'],
  ['jitter', 'jitter'],
  ['max-running', 'maxRunning'],
  ['chat-max-tokens', 'chatMaxTokens'],
  ['completion-max-tokens', 'completionMaxTokens'],
  ['context-length', 'contextLength'],
  ['eos', 'eosProbability'],
  ['cached', 'cachedFraction'],
  ['dimensions', 'embeddingDimensions'],
  ['keep-alive-ms', 'keepAliveMs'],
  ['model-seed', 'modelSeed'],
] as const

const WORDS = [
  ['host', 'host'],
  ['flavour', 'flavour'],
  ['api-key', 'apiKey'],
] as const

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

function number(name: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value))
    throw new UsageError(`--${name} takes a number, not "${text}"`)
  return value
}

function faultRule(text: string): Record<string, unknown> {
  const [kind, probability] = text.split('=')
  return probability === undefined ? { kind } : { kind, probability: number('fault', probability) }
}

/** The options of each node; throws a UsageError. */
function nodeOptions(values: Values): SimulatedNodeOptions[] {
  const count = number('count', values.count)
  if (!Number.isInteger(count) || count < 1 || count > 1000)
    throw new UsageError('--count takes a number from 1 to 1000')
  const port = number('port', values.port)
  const seed = number('seed', values.seed)
  const shared: Record<string, unknown> = {}
  for (const [flag, option] of NUMBERS) {
    const text = values[flag]
    if (text !== undefined) shared[option] = number(flag, text)
  }
  for (const [flag, option] of WORDS) if (values[flag] !== undefined) shared[option] = values[flag]
  if (values.model !== undefined) shared['models'] = values.model
  if (values['prefix-cache'] === true) shared['prefixCache'] = true
  if (values['load-header'] === true) shared['loadHeader'] = true
  if (values['late-headers'] === true) shared['sendHeadersEarly'] = false
  if (values.fault !== undefined) shared['faults'] = values.fault.map(faultRule)
  try {
    return Array.from({ length: count }, (_, at) =>
      parseOptions({ ...shared, port: port === 0 ? 0 : port + at, seed: seed + at }),
    )
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Resolves on SIGTERM or SIGINT, when the parent of a fork is gone, and if wanted when standard input ends. */
function stopRequested(withStdin: boolean): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
    if (process.connected) process.once('disconnect', () => resolve())
    if (withStdin) process.stdin.on('end', () => resolve()).resume()
  })
}

/** Starts the nodes, says where they are, and runs until it is told to stop. Exit code 1 if a node cannot start. */
export const nodesCommand: Command = {
  summary: 'simulated GPU nodes',
  help: HELP,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
    const loadMs = number('load-ms', values['load-ms'])
    return serve(nodeOptions(values), loadMs, values['stop-with-stdin'] === true)
  },
}

async function serve(
  all: readonly SimulatedNodeOptions[],
  loadMs: number,
  withStdin: boolean,
): Promise<number> {
  const stopped = stopRequested(withStdin)
  const loaded = new AbortController()
  const load = sleep(loadMs, 'loaded', { signal: loaded.signal }).catch(() => 'stopped')
  const first = await Promise.race([load, stopped])
  loaded.abort()
  if (first !== 'loaded') return 0
  const nodes: SimulatedNode[] = []
  try {
    for (const options of all) nodes.push(await startSimulatedNode(options))
    const ready = {
      event: 'ready',
      nodes: nodes.map(({ url, options }) => ({ url, model: options.models[0] })),
    }
    process.stdout.write(`${JSON.stringify(ready)}\n`)
    process.send?.(ready)
    await stopped
    return 0
  } catch (error) {
    process.stderr.write(`nodes: cannot start: ${error instanceof Error ? error.message : String(error)}\n`)
    return 1
  } finally {
    await Promise.all(nodes.map((node) => node.close()))
    if (process.connected) process.disconnect()
    if (withStdin) process.stdin.destroy()
  }
}
