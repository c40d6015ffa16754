import { UsageError, wholeNumber } from '../../command.js'
import { contradict } from '../option-values.js'
import { planOf } from '../options.js'
import type { LoadPlan } from '../plan.js'
import type { Range } from './search.js'

/** What the command was asked to do. */
export interface SweepRequest {
  readonly plan: LoadPlan
  readonly range: Range
  readonly share: number
  readonly out: string | null
  readonly report: string | null
}

const OWN = [
  'rate',
  'concurrency',
  'share',
  'resolution',
  'repeats',
  'duration',
  'warm-up',
  'out',
  'report',
] as const
type Own = (typeof OWN)[number]

const MOST_LOAD = 1_000_000

/**
 * Reads the command's arguments: its own, and those of `bench load` for all that a probe needs.
 * @throws UsageError, or the error of `parseArgs`
 */
export function sweepOf(args: readonly string[], env: NodeJS.ProcessEnv): SweepRequest {
  const { own, rest } = split(args)
  const [rate, concurrency] = [own.get('rate'), own.get('concurrency')]
  if (rate !== undefined && concurrency !== undefined) contradict('rate', 'concurrency')
  const kind = rate === undefined ? 'concurrency' : 'rate'
  const text = rate ?? concurrency
  if (text === undefined)
    throw new UsageError('sweep needs a range: --rate FROM:TO, or --concurrency FROM:TO for a closed loop')
  const { from, to } = fromTo(kind, text)
  const { plan } = planOf(
    [
      ...rest,
      `--${kind}=${from}`,
      `--duration=${own.get('duration') ?? '10s'}`,
      `--warm-up=${own.get('warm-up') ?? '2s'}`,
    ],
    env,
  )
  if (plan.slo === null)
    throw new UsageError('sweep needs an SLO to hold the server to: --slo ttft=500ms,itl=50ms')
  const repeats = wholeNumber('repeats', own.get('repeats') ?? '1', 1, 99)
  if (repeats % 2 === 0) throw new UsageError('--repeats takes an odd number, so that one side has the most')
  return {
    plan,
    range: {
      from,
      to,
      whole: kind === 'concurrency',
      resolution: percent('resolution', own.get('resolution') ?? '5%', 0.1),
      repeats,
    },
    share: percent('share', own.get('share') ?? '99%', 1),
    out: own.get('out') ?? null,
    report: own.get('report') ?? null,
  }
}

/** Takes the sweep's own options out. */
function split(args: readonly string[]): { own: Map<Own, string>; rest: string[] } {
  const own = new Map<Own, string>()
  const rest: string[] = []
  const queue = [...args]
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    const [, given, inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? []
    const name = OWN.find((one) => one === given)
    if (name === undefined) {
      rest.push(arg)
      continue
    }
    const value = inline ?? queue.shift()
    if (value === undefined || value === '' || value.startsWith('--'))
      throw new UsageError(`--${name} needs a value`)
    own.set(name, value)
  }
  return { own, rest }
}

function fromTo(kind: 'rate' | 'concurrency', text: string): { from: number; to: number } {
  const number = kind === 'rate' ? '\\d+(?:\\.\\d+)?' : '\\d+'
  const match = new RegExp(`^(${number}):(${number})$`).exec(text)
  const [from, to] = [Number(match?.[1]), Number(match?.[2])]
  if (match !== null && from > 0 && from <= to && to <= MOST_LOAD) return { from, to }
  const example = kind === 'rate' ? '1:200' : '1:64'
  throw new UsageError(`--${kind} takes FROM:TO like ${example} here, up to ${MOST_LOAD}, not "${text}"`)
}

/** `99%`, or as a share `0.99`; from `least` percent to 100. */
function percent(name: string, text: string, least: number): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text)
  const share = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1)
  if (share * 100 >= least - 1e-9 && share <= 1) return share
  throw new UsageError(
    `--${name} takes percent like ${name === 'share' ? '99%' : '5%'}, at least ${least}%, not "${text}"`,
  )
}
