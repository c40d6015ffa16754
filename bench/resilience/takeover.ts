import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlBed } from './control-bed.js'
import { launchesOf, type ControlReport } from './kill-control.js'
import type { MortalControl } from './mortal-control.js'
import { untilAsWanted } from './wanted-nodes.js'

export interface Takeovers extends ControlBed {
  /** How often the leader is killed. */
  readonly kills: number
  /** Within which all has to be as wanted, in ms. */
  readonly settleMs: number
  readonly random: () => number
  /** Says something on the way. */
  readonly note: (line: string) => void
}

export interface TakeoverReport extends ControlReport {
  /** From each kill until the other one led, in ms. */
  readonly takenOverMs: readonly number[]
}

/** The kill comes at most so long after the change, in whose midst it is to be. */
const KILL_PAUSE_MS = 4_000
const COUNTS = [3, 1, 4, 2]

/**
 * Kills the one of two control processes that leads, in the midst of changes of the fleet, again and again; the killed one is
 * started anew when all is as it is wanted.
 */
export async function killLeaders(options: Takeovers): Promise<TakeoverReport> {
  const { controls, fleets, kills, settleMs, random, note } = options
  const takenOverMs: number[] = []
  const settledMs: number[] = []
  const differences: string[] = []
  let [leader, other] = controls
  if (leader === undefined || other === undefined) throw new RangeError('there are not two control processes')
  await leader.untilElected(0)
  const settle = async (when: string) => {
    const settling = await untilAsWanted(fleets, settleMs)
    settledMs.push(settling.settledMs)
    differences.push(...settling.differences.map((difference) => `${when}: ${difference}`))
    return `${when}: as wanted after ${(settling.settledMs / 1000).toFixed(1)} s`
  }
  const wanted = (count: number) => Promise.all(fleets.map((fleet) => fleet.want(count)))
  for (let kill = 0; kill < kills && differences.length === 0; kill++) {
    const count = COUNTS[kill % COUNTS.length] ?? 1
    await wanted(count)
    await sleep(random() * KILL_PAUSE_MS)
    const tookMs = await killed(leader, other)
    takenOverMs.push(tookMs)
    const end = await settle(`scaled to ${count}, leader killed`)
    note(`${end}; the other one led after ${(tookMs / 1000).toFixed(1)} s`)
    await leader.start()
    ;[leader, other] = [other, leader]
  }
  if (differences.length === 0) {
    await wanted(0)
    note(await settle('all deleted'))
  }
  return { changes: takenOverMs.length, takenOverMs, settledMs, differences, ...(await launchesOf(fleets)) }
}

/** @returns how long it took until the other one led, in ms */
async function killed(leader: MortalControl, other: MortalControl): Promise<number> {
  const { elections } = other
  const killedAt = performance.now()
  await leader.killAll()
  await other.untilElected(elections)
  return performance.now() - killedAt
}
