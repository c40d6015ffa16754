import { seededRandom } from '../../nodes/random.js'
import { withControlBed } from '../control-bed.js'
import { controlMeasures } from '../control-measures.js'
import type { Scenario } from '../measure.js'
import { startSharedStores } from '../shared-stores.js'
import { killLeaders } from '../takeover.js'

const KILLS = 8
const SEED = 8

/** The leader of two control processes, killed in the midst of scaling. */
export const takeover: Scenario = {
  name: 'takeover',
  title: `kill -9 of the leader of two control processes in the midst of scaling, ${KILLS} times`,
  async run(note) {
    await using stores = await startSharedStores()
    const report = await withControlBed(2, stores.env, (bed) =>
      killLeaders({ ...bed, kills: KILLS, settleMs: 120_000, random: seededRandom(SEED), note }),
    )
    const slowest = Math.max(...report.takenOverMs)
    return [
      { what: 'slowest takeover', unit: 's', figure: slowest / 1000, atMost: 10 },
      ...controlMeasures(report, note),
    ]
  },
}
