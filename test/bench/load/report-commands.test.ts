import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LoadReport } from '../../../bench/load/load-report.js'
import { temporaryFolder } from '../../support/temporary-folder.js'
import { runBench } from './bench-command.js'
import { elementsOf } from './html-reader.js'
import { reportFixture } from './report-fixture.js'

async function folderWith(files: Readonly<Record<string, LoadReport | string>>) {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder.path, name), typeof content === 'string' ? content : JSON.stringify(content))
  return { ...folder, at: (name: string) => join(folder.path, name) }
}

test('diff prints both runs, and only with --fail-above ends with 1 for a regression', async () => {
  const before = reportFixture({ seconds: 12, ttftMs: 40 })
  await using folder = await folderWith({
    'a.json': before,
    'b.json': reportFixture({ seconds: 12, ttftMs: 200, seed: 2 }),
  })
  const files = [folder.at('a.json'), folder.at('b.json')]
  const plain = await runBench(['diff', ...files])
  assert.deepEqual([plain.code, plain.errors], [0, ''])
  assert.match(plain.output, /^TTFT p50 .*\+\d+%\s+WORSE$/m)
  assert.match(plain.output, /95% intervals do not overlap/)
  const strict = await runBench(['diff', ...files, '--fail-above', '5'])
  assert.equal(strict.code, 1)
  assert.match(strict.output, /^REGRESSION: TTFT p99 \+\d+%, more than 5% worse$/m)
  assert.equal((await runBench(['diff', ...files, '--fail-above', '500%'])).code, 0)
  assert.equal((await runBench(['diff', ...files.toReversed(), '--fail-above', '5'])).code, 0)
})

test('report makes a page out of a stored result', async () => {
  await using folder = await folderWith({ 'a.json': reportFixture({ seconds: 5 }) })
  const page = folder.at('a.html')
  const { code, output, errors } = await runBench(['report', folder.at('a.json'), '--out', page])
  assert.deepEqual([code, output, errors], [0, '', ''])
  assert.ok(elementsOf(await readFile(page, 'utf8')).some(({ name }) => name === 'svg'))
})

test('files that are missing or something else, and bad options, are one line and exit code 2', async () => {
  const good = reportFixture({ seconds: 1 })
  await using folder = await folderWith({
    'good.json': good,
    'text.json': 'no JSON',
    'other.json': '{"format":"something-else"}',
    'broken.json': { ...good, ttft: { ...good.ttft, hdr: 'AAAA' } },
  })
  const fine = folder.at('good.json')
  const cases: [string[], RegExp][] = [
    [['diff', fine], /two files/],
    [['diff', fine, folder.at('none.json')], /cannot read .*none\.json/],
    [['diff', folder.at('text.json'), fine], /text\.json is not JSON/],
    [['diff', fine, folder.at('other.json')], /other\.json is not a report of bench load/],
    [['diff', fine, folder.at('broken.json')], /broken\.json is not a report of bench load/],
    [['diff', fine, fine, '--fail-above', 'much'], /--fail-above takes percent/],
    [['report', fine], /report takes one file/],
    [['report', folder.at('none.json'), '--out', folder.at('x.html')], /cannot read/],
    [['report', fine, '--out', folder.at('no-folder/x.html')], /cannot write/],
  ]
  for (const [args, words] of cases) {
    const { code, output, errors } = await runBench(args)
    assert.deepEqual([code, output], [2, ''], args.join(' '))
    assert.match(errors, /^[^\n]+\n$/)
    assert.match(errors, words)
  }
})
