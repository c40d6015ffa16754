import { cpuMicrosBetween, readCpuTimes, readMachineTimes } from '../cpu-time.js'
import { MICROS_PER_TICK } from '../proc-stat.js'

/** Which share of the machine others than the bench and what it started used since then: 0 to 1. */
export type ForeignLoad = () => number

/** Begins to watch. Processes of the bench that end meanwhile count as others'. */
export function watchForeignLoad(): ForeignLoad {
  const machineBefore = readMachineTimes()
  const before = readCpuTimes(process.pid, () => 'own')
  return () => {
    const machine = readMachineTimes()
    const total = machine.total - machineBefore.total
    const own =
      cpuMicrosBetween(
        before,
        readCpuTimes(process.pid, () => 'own'),
      ).get('own') ?? 0
    const foreign = machine.processes - machineBefore.processes - own / MICROS_PER_TICK
    return total === 0 ? 0 : Math.max(0, foreign / total)
  }
}
