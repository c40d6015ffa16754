import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { closeSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lastLines, openLog, rotateLog } from '../../../src/workers/launchers/log-file.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

const LIMITS = { mostBytes: 1_000, kept: 2 }

test('a log that has reached its size is put aside under whoever writes it, and the oldest goes', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'engine.log')
  const log = openLog(path)
  for (let round = 1; round <= 4; round++) {
    writeSync(log, `${round}\n`)
    rotateLog(path, LIMITS)
    writeSync(log, 'x'.repeat(1_000))
    rotateLog(path, LIMITS)
  }
  writeSync(log, 'last')
  closeSync(log)
  assert.deepEqual((await readdir(folder.path)).sort(), ['engine.log', 'engine.log.1', 'engine.log.2'])
  assert.equal(await readFile(path, 'utf8'), 'last')
  assert.match(await readFile(`${path}.1`, 'utf8'), /^4\nx{1000}$/)
  assert.match(await readFile(`${path}.2`, 'utf8'), /^3\nx{1000}$/)
  assert.equal((await stat(`${path}.1`)).mode & 0o777, 0o600)
})

test('a writer that never pauses goes on at the beginning of the cut log, and nothing stands twice or torn', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'engine.log')
  const log = openLog(path)
  const writer = spawn(
    '/bin/sh',
    ['-c', 'i=0; while [ $i -lt 30000 ]; do echo "line $i"; i=$((i+1)); done'],
    {
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  const ended = once(writer, 'exit')
  const kept = 1_000
  while (writer.exitCode === null) {
    rotateLog(path, { mostBytes: 2_000, kept })
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await ended
  const files = (await readdir(folder.path)).map((name) => ({ name, age: Number(name.split('.')[2] ?? 0) }))
  const texts = await Promise.all(
    files
      .sort((one, other) => other.age - one.age)
      .map(({ name }) => readFile(join(folder.path, name), 'utf8')),
  )
  assert.ok(files.length > 1)
  const lines = texts.join('').trimEnd().split('\n')
  for (const line of lines) assert.match(line, /^line \d+$/)
  const numbers = lines.map((line) => Number(line.slice(5)))
  // What is printed between the last copied byte and the cut may be missing, how much depends on the scheduler.
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((one, other) => one - other),
  )
  assert.equal(numbers[0], 0)
})

test('the last lines are shown without secrets, colours and control characters', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'engine.log')
  assert.deepEqual(lastLines(path, 3, []), [])
  await writeFile(path, 'first\nan api_key=sk-1234 \u001b[31mred\u001b[0m\u0007!\n\n')
  const { size } = await stat(path)
  await appendFile(path, 'second sk-12\nthird')
  assert.deepEqual(lastLines(path, 3, ['sk-12', 'sk-1234']), ['an api_key=*** red !', 'second ***', 'third'])
  assert.deepEqual(lastLines(path, 9, [], size), ['second sk-12', 'third'])
  // After it was put aside, an old size says nothing.
  assert.deepEqual(lastLines(path, 1, [], 1_000_000), ['third'])
})

test('of a line whose beginning is too far away nothing is shown', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'engine.log')
  await writeFile(path, `${'s3cret'.repeat(20_000)}\nshort\n${'y'.repeat(5_000)}\n`)
  const [short, long] = lastLines(path, 9, ['s3cret'])
  assert.deepEqual([short, long?.length], ['short', 1_000])
})
