/** The process of spool-process.ts: `DIRECTORY REQUESTS PER_SECOND`. Ends with the channel to its parent. */
import type { WriterMessage } from './spool-process.js'
import { openBenchSpool, writeRequests } from './spool-writer.js'

const [directory = '', requests, perSecond] = process.argv.slice(2)
const tell = (message: WriterMessage) => process.send?.(message)
// A Ctrl-C is the parent's to handle.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

const spool = openBenchSpool(directory)
tell({ type: 'opened', epoch: spool.epoch })
const totals = await writeRequests(spool, Number(requests), Number(perSecond))
await spool.close()
const { bytesWritten: bytes } = spool.stats()
tell({ type: 'written', bytes, totals: { ...totals, costNanos: totals.costNanos.toString() } })
