import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { UsageError } from '../../bench/command.js'
import { runOf } from '../../bench/usage.js'
import { checkFreeSpace, makeFolder, readManifest, writeManifest } from '../../bench/usage/kept-store.js'
import { addRequest, createRequests, NO_TOTALS } from '../../bench/usage/records.js'
import { parseIdentityLine, identityLine, recordLine } from '../../src/core/usage-line.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('options that cannot be used are refused with what to do', () => {
  for (const [args, words] of [
    [[], /usage flush, usage latency, or usage freshness/],
    [['drain'], /usage flush, usage latency, or usage freshness/],
    [['flush', '--records', '0'], /--records/],
    [['flush', '--batch', '20001'], /--batch/],
    [['flush', '--rate', '1.5'], /--rate/],
    [['flush', '--rate', '10', '--records', '10'], /not both/],
    [['flush', '--seconds', '10'], /--rate/],
    [['latency', '--requests', 'many'], /--requests/],
    [['latency', '--days', '0'], /--days/],
    [['freshness', '--rate', '0'], /--rate/],
  ] as const) {
    assert.throws(
      () => runOf(args),
      (error) => error instanceof UsageError && words.test(error.message),
    )
  }
  assert.throws(() => runOf(['latency', '--records', '1']))
  assert.ok(runOf(['flush', '--strict']).strict)
  assert.ok(!runOf(['latency', '--keep', 'x']).strict)
})

test('the same seed gives the same requests, each a valid record, and totals are their sums', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 200 }), (seed, count) => {
      const a = createRequests(seed)
      const b = createRequests(seed)
      const at = 1_700_000_000_000_000
      let totals = NO_TOTALS
      let tokens = 0
      let cost = 0
      const ids = new Set<string>()
      for (let n = 0; n < count; n++) {
        const request = a(at)
        assert.deepEqual(b(at), request)
        totals = addRequest(totals, request)
        ids.add(request.identity.requestId)
        assert.deepEqual(parseIdentityLine(identityLine(request.identity).toString()), request.identity)
        const row = JSON.parse(recordLine(request.identity, request.outcome).toString()) as Record<
          string,
          number
        >
        tokens += row['prompt_tokens'] ?? 0
        cost += row['cost_nanos'] ?? 0
        assert.ok((row['cached_tokens'] ?? 0) <= (row['prompt_tokens'] ?? 0))
      }
      assert.equal(ids.size, count)
      assert.deepEqual(
        [totals.requests, totals.promptTokens, totals.costNanos],
        [count, tokens, BigInt(cost)],
      )
    }),
    { numRuns: 20 },
  )
})

test('a folder is used again for the same numbers only', async () => {
  await using folder = await temporaryFolder()
  const kept = await makeFolder(join(folder.path, 'kept'))
  const wanted = { requests: 10, days: 2 }
  assert.equal(await readManifest(kept, wanted), null)
  const manifest = { version: 1 as const, ...wanted, endMs: 0, tenantId: 't', apiKey: 'k' }
  await writeManifest(kept, manifest)
  assert.deepEqual(await readManifest(kept, wanted), manifest)
  await assert.rejects(readManifest(kept, { requests: 11, days: 2 }), /holds 10 requests of 2 days/)
  const other = join(folder.path, 'other')
  await mkdir(join(other, 'clickhouse'), { recursive: true })
  await assert.rejects(readManifest(other, wanted), /no complete store/)
  await writeFile(join(folder.path, 'file'), '')
  await assert.rejects(makeFolder(join(folder.path, 'file', 'x')), UsageError)
})

test('too little room on the disk is told before anything is generated', async () => {
  await using folder = await temporaryFolder()
  await checkFreeSpace(folder.path, 1)
  await assert.rejects(checkFreeSpace(folder.path, 1e15), (error) => {
    assert.ok(error instanceof UsageError)
    assert.match(error.message, /need about .* GB and .* has .* GB free/)
    return true
  })
})
