// A process with a spool and its flusher, like a proxy, on load until it is killed:
// `node spool-and-flusher.js <directory> <clickhouse url> <first request number>`. Prints the number of each
// request that was begun, on a line of its own, before anything else happens to it.
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import { recordLine } from '../../src/core/usage-line.js'
import { openSpool } from '../../src/proxy/spool.js'
import { startFlusherThread } from '../../src/workers/usage-flush-thread.js'
import { TestEntry, nowMicros, testIdentity, testOutcome } from './spool.js'

const [directory = '', clickhouseUrl = '', first = '0'] = process.argv.slice(2)
const spool = openSpool({ directory, now: nowMicros, onError: () => {}, segmentBytes: 64 * 1024 })
startFlusherThread({
  directory,
  liveEpoch: spool.epoch,
  adoptedDirectories: [],
  clickhouseUrl,
  logLevel: 'silent',
  processName: 'test',
  logger: pino({ level: 'silent' }),
})

let next = Number(first)

async function client(): Promise<never> {
  for (;;) {
    const number = next++
    const entry = new TestEntry(testIdentity(number))
    spool.begin(entry)
    if ((await entry.answer) === 'refused') throw new Error('the spool refused')
    writeSync(1, `${number}\n`)
    for (entry.completionTokens = 1; entry.completionTokens < 20; entry.completionTokens++) {
      spool.progress(entry)
      await sleep(5)
    }
    spool.end(entry, recordLine(entry.identity, testOutcome({ completionTokens: entry.completionTokens })))
  }
}

await Promise.all(Array.from({ length: 20 }, client))
