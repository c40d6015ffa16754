import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkExact } from '../../bench/usage/exactness.js'
import { compareWithRecords, exactLatencies } from '../../bench/usage/percentile-check.js'
import { addRequest, createRequests, NO_TOTALS } from '../../bench/usage/records.js'
import { startStore, makeUsageTables } from '../../bench/usage/store.js'
import { recordLine } from '../../src/core/usage-line.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const CLI = fileURLToPath(new URL('../../bench/cli.js', import.meta.url))

/** Runs the bench with a temporary folder of its own. */
function startBench(temporary: string, args: readonly string[]) {
  const child = spawn(process.execPath, [CLI, 'usage', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  })
  let out = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, out, errors }))
  return { child, ended, out: () => out }
}

async function runBench(...args: readonly string[]) {
  await using folder = await temporaryFolder()
  const result = await startBench(folder.path, args).ended
  assert.deepEqual(await readdir(folder.path), [], 'something stayed in the temporary folder')
  return result
}

test('usage flush carries a spool over exactly, in batches as large as asked for', async () => {
  const { code, out, errors } = await runBench('flush', '--records', '3000', '--batch', '1000')
  assert.equal(code, 0, errors)
  assert.match(out, /^Flush of 3,000 usage records/)
  assert.match(out, /records\/s +[\d,]+ {2}goal ≥ 50,000 {2}(met|MISSED)\n/)
  assert.match(out, /batches +3 +1,000 records each/)
  assert.match(out, /exact: 3,000 requests/)
})

test('usage flush --rate measures while the spool is written', async () => {
  const { code, out, errors } = await runBench('flush', '--rate', '300', '--seconds', '2')
  assert.equal(code, 0, errors)
  assert.match(out, /readable, latest +[\d.]+ s {2}goal ≤ 2 s/)
  assert.match(out, /exact: 2,400 requests/)
})

test('usage freshness counts each request once, and says how long after its end', async () => {
  const { code, out, errors } = await runBench('freshness', '--rate', '10', '--seconds', '3')
  assert.equal(code, 0, errors)
  assert.match(out, /requests +30 {2}each counted once/)
  assert.match(out, /counted, latest +[\d.]+ s {2}goal ≤ 2 s {2}(met|MISSED)\n/)
})

test('usage latency generates, measures through the gateway and keeps its store for the next run', async () => {
  await using folder = await temporaryFolder()
  const args = ['latency', '--requests', '20000', '--days', '3', '--keep', join(folder.path, 'kept')]
  const first = await runBench(...args)
  assert.equal(first.code, 0, first.errors)
  assert.match(first.out, /Generating 20,000 requests over 3 days[^]*day 3 of 3: 20,000 requests/)
  const counted = /requests counted +([\d,]+) {2}exact, in 50 models/
  const [, requests] = counted.exec(first.out) ?? []
  assert.ok(requests !== undefined, first.out)
  assert.match(first.out, /median of 20 calls +[\d.]+ ms {2}goal < 200 ms/)
  assert.match(first.out, /usage_records +\d+ MB {2}20,000 rows/)

  const second = await runBench(...args)
  assert.equal(second.code, 0, second.errors)
  assert.doesNotMatch(second.out, /Generating/)
  assert.equal(counted.exec(second.out)?.[1], requests)
  const other = await runBench('latency', '--requests', '10', '--keep', join(folder.path, 'kept'))
  assert.equal(other.code, 2)
  assert.match(other.errors, /^usage: [^\n]* holds 20000 requests[^\n]*\n$/)
})

test('a Ctrl-C ends the generation, and leaves nothing behind', async () => {
  await using folder = await temporaryFolder()
  const bench = startBench(folder.path, ['latency', '--requests', '300000', '--days', '300'])
  while (!bench.out().includes('Generating')) await once(bench.child.stdout, 'data')
  bench.child.kill('SIGINT')
  const { code, errors } = await bench.ended
  assert.equal(code, 1)
  assert.match(errors, /usage: the run FAILED: interrupted\n$/)
  assert.deepEqual(await readdir(folder.path), [])
})

test('a record that is missing, twice or different is found, and a percentile that is off', async () => {
  await using folder = await temporaryFolder()
  await using store = await startStore(join(folder.path, 'clickhouse'))
  await makeUsageTables(store)
  const next = createRequests(7)
  const requests = Array.from({ length: 400 }, () => next(Date.now() * 1000))
  const insert = (some: typeof requests) =>
    store.clickhouse.command({
      query:
        'INSERT INTO usage_records SETTINGS insert_deduplicate = 0 FORMAT JSONEachRow\n' +
        some.map(({ identity, outcome }) => recordLine(identity, outcome).toString()).join('\n'),
    })
  await insert(requests)
  const sent = requests.reduce(addRequest, NO_TOTALS)
  await checkExact(store, sent)
  for (const other of [
    { requests: 401 },
    { promptTokens: sent.promptTokens + 1 },
    { costNanos: sent.costNanos - 1n },
  ]) {
    await assert.rejects(checkExact(store, { ...sent, ...other }), /usage_records holds/)
  }

  const [one] = requests
  assert.ok(one !== undefined)
  const { tenantId: tenant } = one.identity
  const percentiles = { data: await exactLatencies(store, tenant, 0) }
  assert.ok(percentiles.data.length > 1)
  const check = await compareWithRecords(store, tenant, () => Promise.resolve(percentiles))
  assert.equal(check.greatest, 0)
  const off = percentiles.data.map((row) => ({ ...row, p99_ttft_ms: (row.p99_ttft_ms ?? 0) * 1.03 }))
  await assert.rejects(
    compareWithRecords(store, tenant, () => Promise.resolve({ data: off })),
    /p99 ttft: shown is/,
  )
  const fewer = percentiles.data.map((row) => ({ ...row, requests: row.requests - 1 }))
  await assert.rejects(
    compareWithRecords(store, tenant, () => Promise.resolve({ data: fewer })),
    /requests are shown/,
  )
  await assert.rejects(
    compareWithRecords(store, tenant, () => Promise.resolve({ data: [] })),
    /0 models are shown/,
  )

  // The same 400 once more, and under ids that are known.
  await insert(requests)
  await assert.rejects(checkExact(store, requests.concat(requests).reduce(addRequest, NO_TOTALS)))
})
