// A process that writes a spool: `node spool-writer.js <directory> <requests>`. With a number it runs that many
// requests, then prints how many were begun, refused and ended. With 0 it runs until it is killed and prints the
// spool id of each begun request on a line.
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordLine } from '../../src/core/usage-line.js'
import { openSpool } from '../../src/proxy/spool.js'
import { TestEntry, nowMicros, testIdentity, testOutcome } from './spool.js'

const [directory = '', count = '0'] = process.argv.slice(2)
const requests = Number(count)
const spool = openSpool({ directory, now: nowMicros, onError: () => {}, segmentBytes: 1024 * 1024 })
const totals = { begun: 0, refused: 0, ended: 0 }

async function request(number: number): Promise<void> {
  const entry = new TestEntry(testIdentity(number))
  spool.begin(entry)
  if ((await entry.answer) === 'refused') {
    totals.refused++
    return
  }
  totals.begun++
  if (requests === 0) writeSync(1, `${entry.spoolId}\n`)
  for (entry.completionTokens = 1; entry.completionTokens < 5; entry.completionTokens++) {
    spool.progress(entry)
    await sleep(1)
  }
  spool.end(entry, recordLine(entry.identity, testOutcome({ completionTokens: 5 })))
  totals.ended++
}

for (let number = 0; requests === 0 || number < requests;) {
  const batch = Array.from({ length: 20 }, () => request(number++))
  await Promise.all(batch)
  while (!spool.writable) await sleep(10)
}
await spool.close()
writeSync(1, JSON.stringify(totals))
