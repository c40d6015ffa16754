/** The bench suite: `npm run bench -- [command] [options]`. */
import { runCommand, type Command } from './command.js'
import { autoscaleCommand } from './autoscale/command.js'
import { calibrateCommand } from './calibrate/command.js'
import { compareCommand } from './compare/command.js'
import { diffCommand } from './diff.js'
import { loadCommand } from './load.js'
import { microCommand } from './micro/command.js'
import { nodesCommand } from './nodes/command.js'
import { profileCommand } from './profile/command.js'
import { reportCommand } from './report.js'
import { resilienceCommand } from './resilience/command.js'
import { simulateCommand } from './simulate/command.js'
import { sweepCommand } from './sweep.js'
import { usageCommand } from './usage.js'

const DEFAULT_COMMAND = 'compare'
const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['compare', compareCommand],
  ['load', loadCommand],
  ['sweep', sweepCommand],
  ['report', reportCommand],
  ['diff', diffCommand],
  ['calibrate', calibrateCommand],
  ['simulate', simulateCommand],
  ['autoscale', autoscaleCommand],
  ['usage', usageCommand],
  ['resilience', resilienceCommand],
  ['micro', microCommand],
  ['profile', profileCommand],
  ['nodes', nodesCommand],
])

function help(): string {
  const rows = [...COMMANDS].map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}\n`)
  return `usage: npm run bench -- [command] [options]\n\n${rows.join('')}\nEach command has --help.\n`
}

async function main(args: readonly string[]): Promise<number> {
  const [first] = args
  if (first === '--help' || first === '-h' || first === 'help') {
    process.stdout.write(help())
    return 0
  }
  const isNamed = first !== undefined && !first.startsWith('-')
  const name = isNamed ? first : DEFAULT_COMMAND
  const command = COMMANDS.get(name)
  if (command === undefined) {
    process.stderr.write(`bench: there is no command "${name}" (see --help)\n`)
    return 2
  }
  return runCommand(name, command, isNamed ? args.slice(1) : args)
}

process.exitCode = await main(process.argv.slice(2))
