import { parseArgs } from 'node:util'
import { wholeNumber, type Command } from '../command.js'
import { burstLines, conversationLines } from './report.js'
import { simulateBursts, simulateConversations } from './simulation.js'

const HELP = `Simulates the routing policies on made-up nodes in virtual time. No wall time is in it: the same seed gives the same
figures on every machine.

usage: simulate [options]

  --seed N       of fleets, requests and choices  [1]
  --nodes N      [50]
  --proxies N    that route on their own, each with a view of the others' load that is up to a second old  [4]
  --duration S   seconds in which requests, or conversations, begin  [200]
  --help

Prints TTFT for each policy on unequal nodes under bursts, some nodes degraded for a while; then, for conversations of
several tenants with shared system prompts, how much of the prompts was found in the nodes' prefix caches, and how even
the load was. Exit code 0, also where a goal is missed.
`

const OPTIONS = {
  seed: { type: 'string', default: '1' },
  nodes: { type: 'string', default: '50' },
  proxies: { type: 'string', default: '4' },
  duration: { type: 'string', default: '200' },
} as const

export const simulateCommand: Command = {
  summary: 'routing policies on simulated nodes, in virtual time',
  help: HELP,
  run(args) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true })
    const plan = {
      seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1),
      nodes: wholeNumber('nodes', values.nodes, 2, 1_000),
      proxies: wholeNumber('proxies', values.proxies, 1, 100),
      durationMs: wholeNumber('duration', values.duration, 10, 3_600) * 1_000,
    }
    process.stdout.write(
      `${plan.nodes} nodes, ${plan.proxies} proxies, ${plan.durationMs / 1_000} s, seed ${plan.seed}\n\n`,
    )
    process.stdout.write(`${burstLines(simulateBursts(plan)).join('\n')}\n\n`)
    process.stdout.write(`${conversationLines(simulateConversations(plan)).join('\n')}\n`)
    return Promise.resolve(0)
  },
}
