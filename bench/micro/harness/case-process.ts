/** The process of one case: `case-process.js BENCH CASE MILLISECONDS`; its parent gets the result and ends the channel. */
import { MICRO_BENCHES } from '../all.js'
import { measureCase } from './measure-case.js'

process.once('disconnect', () => process.exit())
// It may have been interrupted before anybody here could hear of it.
if (!process.connected) process.exit()

const [benchName, caseName, forMs] = process.argv.slice(2)
const bench = MICRO_BENCHES.find(({ name }) => name === benchName)
const subject = bench?.cases.find(({ name }) => name === caseName)
if (bench === undefined || subject === undefined) throw new Error(`there is no case ${benchName} ${caseName}`)
process.send?.(await measureCase(bench, subject, Number(forMs)))
