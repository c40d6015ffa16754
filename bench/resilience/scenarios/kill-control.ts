import { seededRandom } from '../../nodes/random.js'
import { withControlBed } from '../control-bed.js'
import { controlMeasures } from '../control-measures.js'
import { killUnderChanges } from '../kill-control.js'
import type { Scenario } from '../measure.js'
import { startSharedStores } from '../shared-stores.js'

const KILLS = 50
const SEED = 50

/** The control process, killed in the midst of launches, scalings and deletes. */
export const killControl: Scenario = {
  name: 'kill-control',
  title: `kill -9 of the control process at ${KILLS} random moments of launches, scalings and deletes`,
  async run(note) {
    await using stores = await startSharedStores()
    const report = await withControlBed(1, stores.env, (bed) =>
      killUnderChanges({
        ...bed,
        kills: KILLS,
        killsInARow: 5,
        settleMs: 120_000,
        random: seededRandom(SEED),
        note,
      }),
    )
    return [
      { what: 'kills', unit: '', figure: KILLS, atMost: null },
      { what: 'changes heard', unit: '', figure: report.changes, atMost: null },
      ...controlMeasures(report, note),
    ]
  },
}
