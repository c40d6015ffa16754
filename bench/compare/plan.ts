import { parseArgs } from 'node:util'
import { UsageError, wholeNumber } from '../command.js'
import type { Scenario } from './bench.js'
import { DEFAULT_PEERS, PEERS } from './contenders/peers.js'
import { SCENARIOS } from './scenarios/scenarios.js'

const OPTIONS = {
  pairs: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '3' },
  peers: { type: 'string', default: DEFAULT_PEERS.join(',') },
  only: { type: 'string', multiple: true },
  out: { type: 'string' },
  strict: { type: 'boolean', default: false },
} as const

/** The command's options, read. */
export interface Plan {
  readonly pairs: number
  readonly seconds: number
  readonly peers: readonly string[]
  readonly scenarios: readonly Scenario[]
  /** File for the results; null: none. */
  readonly out: string | null
  readonly strict: boolean
}

export const HELP = `Compares the gateway with other proxies before the same simulated nodes: CPU, added latency, memory, and what must not fail.

usage: compare [options]

  --pairs N       rounds of each scenario, every contender in turn (3)
  --seconds N     length of a run (3)
  --peers A,B     what to compare with: ${[...PEERS.keys()].join(', ')} (${DEFAULT_PEERS.join(',')})
  --only NAME     one scenario; repeat it for more
  --out FILE      write all results as JSON
  --strict        exit code 1 when a goal is missed
  --help

Scenarios:
${SCENARIOS.map(({ name, title, onDemand }) => `  ${name.padEnd(20)}${title}${onDemand === true ? ' (only when asked for)' : ''}\n`).join('')}
The gateway runs with everything on: key authentication, routing, metering, usage spool and flush into ClickHouse.
nginx and HAProxy are installed with apt-get where they are missing and may be. A peer that is absent is left out, and
the table says so. Exit code 1 when a run failed, 2 for bad options.
`

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  return {
    pairs: wholeNumber('pairs', values.pairs, 1, 100),
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    peers: peersOf(values.peers),
    scenarios: scenariosOf(values.only),
    out: values.out ?? null,
    strict: values.strict,
  }
}

function peersOf(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '')
  const unknown = names.find((name) => !PEERS.has(name))
  if (unknown === undefined) return names
  throw new UsageError(`--peers takes ${[...PEERS.keys()].join(', ')}, not "${unknown}"`)
}

function scenariosOf(only: readonly string[] | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS.filter(({ onDemand }) => onDemand !== true)
  const names = SCENARIOS.map(({ name }) => name)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only takes ${names.join(', ')}, not "${unknown}"`)
  return SCENARIOS.filter(({ name }) => only.includes(name))
}
