import { parseArgs } from 'node:util'
import type { ScalingPolicy } from '../../src/core/scaling/need.js'
import { wholeNumber, type Command } from '../command.js'
import { seededRandom } from '../nodes/random.js'
import { perfectHours, perfectNodes } from './oracle.js'
import { comparisonLines, fleetLines, goalLines, hourLines } from './report.js'
import { autoScaler, fixedAt, runDay, type Scaler } from './run.js'
import { drawDay } from './traffic.js'

const HELP = `Simulates the autoscaler over a day in virtual time. No wall time is in it: the same seed gives the same figures on
every machine.

usage: autoscale [options]

  --seed N    of the day and of the machines  [1]
  --rate N    requests each second in the busiest hour; each streams for 12 s on average  [20]
  --target N  target_concurrency; a node has 32 slots  [20]
  --launch S  median seconds of a launch  [150]
  --slo MS    a first token that comes later misses the SLO; also target_ttft_ms  [2000]
  --help

The day has a quiet night, spikes, a flash crowd, frozen gauges at 08:30, and spot machines that are taken away and cannot be
had from 18:30 to 20:00. Prints by hour what an oracle would have had, what was wanted and what was paid for; then
node-hours and SLO misses beside those of the oracle and of fixed sizes, with the goals. Exit code 0, also where a goal is
missed.
`

const OPTIONS = {
  seed: { type: 'string', default: '1' },
  rate: { type: 'string', default: '20' },
  target: { type: 'string', default: '20' },
  launch: { type: 'string', default: '150' },
  slo: { type: 'string', default: '2000' },
} as const

const MOST_NODES = 60

export const autoscaleCommand: Command = {
  summary: 'the autoscaler over a simulated day, in virtual time',
  help: HELP,
  run(args) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true })
    const seed = wholeNumber('seed', values.seed, 0, 2 ** 31 - 1)
    const rate = wholeNumber('rate', values.rate, 1, 50)
    const targetConcurrency = wholeNumber('target', values.target, 1, 32)
    const launchS = wholeNumber('launch', values.launch, 1, 1_800)
    const sloMs = wholeNumber('slo', values.slo, 700, 60_000)

    const day = drawDay(rate, seededRandom(seed))
    const perfect = perfectNodes(day, targetConcurrency)
    const policy: ScalingPolicy = {
      minNodes: 0,
      maxNodes: MOST_NODES,
      targetConcurrency,
      targetTtftMs: sloMs,
      waitingRoom: true,
    }
    const traits = { launchS, sloMs, spotHours: 6, useSpot: true, fallbackOnDemandAfterS: 120 }
    const run = (scaler: Scaler, nodes: number) => runDay(day, traits, scaler, nodes, seededRandom(seed + 1))
    const scaled = run(autoScaler(policy), 1)
    const mean = Math.max(1, Math.round(perfectHours(perfect) / 24))
    const peak = Math.max(...perfect)
    const runs = new Map([
      ['autoscaled', scaled],
      [`fixed at the mean, ${mean}`, run(fixedAt(mean), mean)],
      [`fixed at the peak, ${peak}`, run(fixedAt(peak), peak)],
    ])
    const parts = [
      [
        `seed ${seed}, ${rate} requests/s at the peak, ${targetConcurrency} of 32 slots wanted, launches of ${launchS} s`,
      ],
      hourLines(scaled, perfect),
      comparisonLines(runs, perfect),
      fleetLines(scaled),
      goalLines(scaled, perfect),
    ]
    process.stdout.write(`${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`)
    return Promise.resolve(0)
  },
}
