import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlBed } from './control-bed.js'
import type { MortalControl } from './mortal-control.js'
import { untilAsWanted, type WantedNodes } from './wanted-nodes.js'

export interface ControlKilling extends ControlBed {
  readonly kills: number
  /** After so many of them it is waited until all is as wanted. */
  readonly killsInARow: number
  /** Within which all has to be as wanted, in ms. */
  readonly settleMs: number
  readonly random: () => number
  /** Says something on the way. */
  readonly note: (line: string) => void
}

/** What came of it: machines by the names of their nodes. */
export interface ControlReport {
  readonly changes: number
  readonly launched: number
  /** Launched more than once. */
  readonly twice: readonly string[]
  /** Launched without a node that knows of it. */
  readonly unknown: readonly string[]
  /** What was not as wanted although it had been waited for. */
  readonly differences: readonly string[]
  /** How long each of the waits took, in ms. */
  readonly settledMs: readonly number[]
}

/** A change comes at most so long after the one before. */
const CHANGE_PAUSE_MS = 4_000
/** A kill comes at most so long after the process that it hits has started. */
const KILL_PAUSE_MS = 4_000

/**
 * Kills a control process over and over while deployments are created, scaled and deleted; waits now and then until all is as
 * it was last wanted, and in the end until nothing is left. Half of the kills hit the control process alone, the others its
 * supervisor as well.
 */
export async function killUnderChanges(options: ControlKilling): Promise<ControlReport> {
  const { controls, fleets, kills, killsInARow, settleMs, random, note } = options
  const settledMs: number[] = []
  const differences: string[] = []
  let changes = 0
  const settle = async (when: string) => {
    const settling = await untilAsWanted(fleets, settleMs)
    settledMs.push(settling.settledMs)
    differences.push(...settling.differences.map((difference) => `${when}: ${difference}`))
    note(`${when}: as wanted after ${(settling.settledMs / 1000).toFixed(1)} s`)
  }
  for (let killed = 0; killed < kills && differences.length === 0;) {
    const over = new AbortController()
    const changing = changeUntil(over.signal, fleets, random)
    const until = Math.min(kills, killed + killsInARow)
    try {
      for (; killed < until; killed++) await killOne(controls, random)
    } finally {
      over.abort()
    }
    changes += await changing
    await settle(`${killed} kills, ${changes} changes`)
  }
  if (differences.length === 0) {
    for (const fleet of fleets) await fleet.want(0)
    await settle('all deleted')
  }
  return { changes, settledMs, differences, ...(await launchesOf(fleets)) }
}

/** @returns how many changes were heard */
async function changeUntil(
  signal: AbortSignal,
  fleets: readonly WantedNodes[],
  random: () => number,
): Promise<number> {
  let changes = 0
  const turn = async (fleet: WantedNodes) => {
    while (!signal.aborted) {
      await fleet.change(random)
      changes++
      await sleep(random() * CHANGE_PAUSE_MS, undefined, { signal }).catch(() => {})
    }
  }
  await Promise.all(fleets.map(turn))
  return changes
}

/** Kills one at a random moment, and has it lead again. */
async function killOne([victim]: readonly MortalControl[], random: () => number): Promise<void> {
  if (victim === undefined) throw new RangeError('there is nothing to kill')
  await sleep(random() * KILL_PAUSE_MS)
  if (random() < 0.5) {
    const { elections } = victim
    await victim.killControl()
    await victim.untilElected(elections)
  } else {
    await victim.killAll()
    await victim.start()
    await victim.untilElected(0)
  }
}

/** What the providers say of all launches. */
export async function launchesOf(
  fleets: readonly WantedNodes[],
): Promise<Pick<ControlReport, 'launched' | 'twice' | 'unknown'>> {
  const launched = await Promise.all(fleets.map((fleet) => fleet.launched()))
  const mistakes = await Promise.all(fleets.map((fleet) => fleet.mistakes()))
  return {
    launched: launched.reduce((sum, count) => sum + count, 0),
    twice: mistakes.flatMap(({ twice }) => twice),
    unknown: mistakes.flatMap(({ unknown }) => unknown),
  }
}
