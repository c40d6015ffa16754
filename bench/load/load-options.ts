import { UsageError, wholeNumber } from '../command.js'
import { ARRIVALS } from './arrivals.js'
import { contradict, oneOf, seconds, wholeOrNaN } from './option-values.js'
import type { LoadPlan } from './plan.js'
import type { Stage } from './profile.js'

/** The options that say which load, as they were given. */
export type LoadValues = Partial<
  Record<'rate' | 'arrivals' | 'concurrency' | 'ramp' | 'steps' | 'mode' | 'duration' | 'requests', string>
>

const DEFAULT_CONCURRENCY = 10
const DEFAULT_SECONDS = 30
const MOST_LOAD = 1_000_000

/** Loop, stages and count: which load. */
export function loadOf(values: LoadValues): Pick<LoadPlan, 'loop' | 'stages' | 'requests'> {
  const [first, second] = (['rate', 'concurrency', 'ramp', 'steps'] as const).filter(
    (name) => values[name] !== undefined,
  )
  if (first !== undefined && second !== undefined) contradict(first, second)
  const isProfile = first === 'ramp' || first === 'steps'
  if (values.mode !== undefined && !isProfile)
    throw new UsageError('--mode is for --ramp and --steps: --rate and --concurrency say it themselves')
  if (values.requests !== undefined) {
    if (isProfile) contradict('requests', first)
    if (values.duration !== undefined) contradict('requests', 'duration')
  }
  const mode = isProfile ? oneOf('mode', values.mode ?? 'rate', ['rate', 'concurrency'] as const) : first
  const isOpen = mode === 'rate'
  if (!isOpen && values.arrivals !== undefined)
    throw new UsageError('--arrivals is for an open loop: give --rate instead of a concurrency')
  return {
    loop: isOpen
      ? { kind: 'open', arrivals: oneOf('arrivals', values.arrivals ?? 'constant', ARRIVALS) }
      : { kind: 'closed' },
    stages: stagesOf(values, isOpen),
    requests: values.requests === undefined ? null : wholeNumber('requests', values.requests, 1, 1e9),
  }
}

function stagesOf(values: LoadValues, isOpen: boolean): Stage[] {
  const load = (name: string, text: string, least = isOpen ? 0.001 : 1): number => {
    const value = isOpen && /^\d+(\.\d+)?$/.test(text) ? Number(text) : wholeOrNaN(text)
    if (value >= least && value <= MOST_LOAD) return value
    const what = isOpen ? 'a rate like 0.5 or 40' : 'a whole number of requests'
    throw new UsageError(`--${name} takes ${what} up to ${MOST_LOAD}, not "${text}"`)
  }
  const duration = values.duration === undefined ? null : seconds('duration', values.duration, 0.1)
  if (values.steps !== undefined) {
    return values.steps.split(',').map((text) => {
      const value = load('steps', text.trim())
      return { seconds: duration ?? DEFAULT_SECONDS, from: value, to: value }
    })
  }
  if (values.ramp !== undefined) {
    const [from = '', to = '', length = '', ...rest] = values.ramp.split(':')
    if (length === '' || rest.length > 0)
      throw new UsageError(`--ramp takes FROM:TO:SECONDS like 10:100:60, not "${values.ramp}"`)
    const ramp = {
      seconds: seconds('ramp', length, 0.1),
      from: load('ramp', from, 0),
      to: load('ramp', to, 0),
    }
    if (ramp.from === 0 && ramp.to === 0) throw new UsageError('--ramp from 0 to 0 sends nothing')
    const held = duration === null ? 0 : duration - ramp.seconds
    if (held < 0)
      throw new UsageError('--duration is shorter than the --ramp: make it longer or leave it out')
    return held === 0 ? [ramp] : [ramp, { seconds: held, from: ramp.to, to: ramp.to }]
  }
  const value =
    values.rate !== undefined
      ? load('rate', values.rate)
      : values.concurrency !== undefined
        ? load('concurrency', values.concurrency)
        : DEFAULT_CONCURRENCY
  return [
    { seconds: values.requests === undefined ? (duration ?? DEFAULT_SECONDS) : null, from: value, to: value },
  ]
}
