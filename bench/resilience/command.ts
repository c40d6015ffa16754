import { parseArgs } from 'node:util'
import { UsageError, type Command } from '../command.js'
import { isMissed, measureTable, type Measure, type Scenario } from './measure.js'
import { failover } from './scenarios/failover.js'
import { fairness } from './scenarios/fairness.js'
import { faults } from './scenarios/faults.js'
import { killControl } from './scenarios/kill-control.js'
import { killNodes } from './scenarios/kill-nodes.js'
import { rollingRestart } from './scenarios/rolling-restart.js'
import { takeover } from './scenarios/takeover.js'
import { unknownKeys } from './scenarios/unknown-keys.js'

const SCENARIOS: readonly Scenario[] = [
  faults,
  killNodes,
  failover,
  fairness,
  rollingRestart,
  unknownKeys,
  killControl,
  takeover,
]

const HELP = `What clients notice when nodes and instances fail, are restarted or are flooded: counts and times beside their goals.

usage: resilience [options]

  --only NAME     one scenario; repeat it for more
  --strict        exit code 1 when a goal is missed
  --help

Scenarios:
${SCENARIOS.map(({ name, title }) => `  ${name.padEnd(18)}${title}\n`).join('')}
Each starts a gateway and simulated nodes of its own and takes up to two minutes, kill-control ten. Exit code 1 when a run failed, 2 for
bad options.
`

const OPTIONS = {
  only: { type: 'string', multiple: true },
  strict: { type: 'boolean', default: false },
} as const

function scenariosOf(only: readonly string[] | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS
  const names = SCENARIOS.map(({ name }) => name)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only takes ${names.join(', ')}, not "${unknown}"`)
  return SCENARIOS.filter(({ name }) => only.includes(name))
}

/** Runs and prints. Exit code 1 when a run failed, or with `--strict` when a goal was missed. */
export const resilienceCommand: Command = {
  summary: 'what clients notice of nodes that fail, restarts and floods',
  help: HELP,
  async run(args) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
    const measures: Measure[] = []
    for (const { title, run } of scenariosOf(values.only)) {
      const startedAt = performance.now()
      console.log(title)
      const own = await run((line) => {
        console.log(`  ${line}`)
      })
      measures.push(...own)
      for (const line of measureTable(own)) console.log(`  ${line}`)
      console.log(`  ${Math.round((performance.now() - startedAt) / 1000)} s\n`)
    }
    const judged = measures.filter(({ atMost }) => atMost !== null)
    const missed = judged.filter(isMissed).length
    console.log(`${judged.length - missed} of ${judged.length} goals met.`)
    return values.strict && missed > 0 ? 1 : 0
  },
}
