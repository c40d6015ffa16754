import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { scanSpool } from '../../src/core/spool-format.js'
import { recordLine } from '../../src/core/usage-line.js'
import { openSpool, type Spool } from '../../src/proxy/spool.js'
import {
  TestEntry,
  nowMicros,
  readSpool,
  segmentFiles,
  temporaryDirectory,
  testIdentity,
  testOutcome,
} from '../support/spool.js'

const writerScript = fileURLToPath(new URL('../support/spool-writer.js', import.meta.url))

function open(
  directory: string,
  over: { segmentBytes?: number; onError?: (error: unknown) => void } = {},
): Spool {
  return openSpool({
    directory,
    now: nowMicros,
    onError: (error) => {
      throw error
    },
    ...over,
  })
}

function finish(spool: Spool, entry: TestEntry): void {
  spool.end(entry, recordLine(entry.identity, testOutcome()))
}

test('a begin is in the file when its entry hears of it, with all of its tick in one write', async () => {
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  const entries = Array.from({ length: 20 }, (_, i) => new TestEntry(testIdentity(i)))
  for (const entry of entries) spool.begin(entry)
  assert.equal(readSpool(directory.path).begins.size, 0)
  assert.equal(await entries[0]?.answer, 'begun')
  assert.deepEqual(
    [...readSpool(directory.path).begins.values()],
    entries.map((entry) => entry.beginLine().toString()),
  )
  assert.equal(spool.openCount, 20)
  for (const entry of entries) finish(spool, entry)
  await spool.close()
  assert.equal(spool.openCount, 0)
  assert.equal(readSpool(directory.path).ends.size, 20)
})

test('progress of everything that moved is written within its interval', async () => {
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  const entry = new TestEntry(testIdentity(1))
  spool.begin(entry)
  await entry.answer
  entry.promptTokens = 7
  entry.firstTokenAtMicros = 1_000
  for (entry.completionTokens = 1; entry.completionTokens < 5; entry.completionTokens++) spool.progress(entry)
  const id = entry.spoolId
  while (!readSpool(directory.path).progress.has(id)) await sleep(5)
  const progress = readSpool(directory.path).progress.get(id)
  assert.equal(progress?.promptTokens, 7)
  assert.equal(progress.completionTokens, 5)
  assert.equal(progress.firstTokenAtMicros, 1_000)
  assert.ok(Math.abs(progress.atMicros - nowMicros()) < 5e6)
  assert.equal(entry.spoolMoved, false)
  finish(spool, entry)
  await spool.close()
})

test('a request that ends before its begin was written leaves its end alone', async () => {
  using directory = temporaryDirectory()
  const spool = open(directory.path)
  const entry = new TestEntry(testIdentity(1))
  spool.begin(entry)
  finish(spool, entry)
  await spool.close()
  const { begins, ends } = readSpool(directory.path)
  assert.deepEqual([begins.size, ends.size], [0, 1])
  assert.equal(await Promise.race([entry.answer, sleep(20, 'silence')]), 'silence')
})

test('the last segment alone tells all that is open, with its last progress', async () => {
  using directory = temporaryDirectory()
  const spool = open(directory.path, { segmentBytes: 16 * 1024 })
  const opened: TestEntry[] = []
  for (let i = 0; i < 200; i++) {
    const entry = new TestEntry(testIdentity(i))
    spool.begin(entry)
    await entry.answer
    entry.completionTokens = i + 1
    spool.progress(entry)
    if (i % 20 === 0) opened.push(entry)
    else finish(spool, entry)
    spool.flushNow()
  }
  const files = segmentFiles(directory.path)
  assert.ok(files.length > 5, `${files.length} segments`)
  const all = readSpool(directory.path)
  assert.equal(all.begins.size, 200)
  assert.equal(all.ends.size, 190)
  const last = readSpool(directory.path, files.slice(-1))
  for (const entry of opened) {
    assert.equal(last.begins.get(entry.spoolId), entry.beginLine().toString())
    assert.equal(last.progress.get(entry.spoolId)?.completionTokens, entry.completionTokens)
    finish(spool, entry)
  }
  await spool.close()
})

test('a listener that throws does not keep others from hearing', async () => {
  using directory = temporaryDirectory()
  const errors: unknown[] = []
  const spool = open(directory.path, { onError: (error) => errors.push(error) })
  const bad = new TestEntry(testIdentity(1))
  bad.begun = () => {
    throw new Error('listener')
  }
  const good = new TestEntry(testIdentity(2))
  spool.begin(bad)
  spool.begin(good)
  assert.equal(await good.answer, 'begun')
  assert.equal(errors.length, 1)
  finish(spool, bad)
  finish(spool, good)
  await spool.close()
})

/** A file system of a given size; mounting needs root. */
function smallDisk(path: string, bytes: number): { [Symbol.dispose](): void } | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    return null
  }
  return {
    [Symbol.dispose]: () => {
      execFileSync('umount', ['-l', path])
    },
  }
}

test('a full disk refuses new requests, loses no ended one, and heals', async (t) => {
  using directory = temporaryDirectory()
  using disk = smallDisk(directory.path, 256 * 1024)
  if (disk === null) {
    t.skip('needs the right to mount a tmpfs')
    return
  }
  const ballast = join(directory.path, 'ballast')
  const errors: unknown[] = []
  const spool = open(directory.path, { onError: (error) => errors.push(error) })
  const running: TestEntry[] = []
  let number = 0
  const next = async () => {
    const entry = new TestEntry(testIdentity(number++))
    spool.begin(entry)
    const answer = await entry.answer
    if (answer === 'begun') running.push(entry)
    return answer
  }
  for (let i = 0; i < 20; i++) assert.equal(await next(), 'begun')
  assert.throws(() => {
    writeFileSync(ballast, Buffer.alloc(512 * 1024))
  }, /ENOSPC/)
  while ((await next()) === 'begun');
  assert.equal(spool.writable, false)
  assert.ok(errors.length > 0)
  const ended = running.splice(0, 10)
  for (const entry of ended) finish(spool, entry)
  assert.equal(await next(), 'refused')
  assert.ok(spool.stats().pendingEnds > 0)

  rmSync(ballast)
  while (!spool.writable) await sleep(20)
  assert.equal(await next(), 'begun')
  for (const entry of running) finish(spool, entry)
  await spool.close()
  const { ends, skippedBytes } = readSpool(directory.path)
  assert.equal(ends.size, ended.length + running.length)
  assert.equal(skippedBytes, 0)
})

test('a write that the kernel takes in part is cut off and made again elsewhere', async () => {
  using directory = temporaryDirectory()
  // A limit on the size of files (here 64 KiB) ends in a short write and then EFBIG, without root.
  const child = spawn(
    'bash',
    ['-c', `ulimit -f 64; exec "$0" "$@"`, process.execPath, writerScript, directory.path, '400'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const output: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0)
  const { begun, refused, ended } = JSON.parse(output.join('')) as Record<string, number>
  assert.ok(begun !== undefined && refused !== undefined && refused > 0 && begun > 0)
  const content = readSpool(directory.path)
  assert.equal(content.skippedBytes, 0)
  assert.equal(content.ends.size, ended)
  assert.equal(content.ends.size, begun)
  assert.ok(segmentFiles(directory.path).length > 1)
})

test('after kill -9 every segment is whole up to its tail and holds each begin that was told', async () => {
  for (let round = 0; round < 5; round++) {
    using directory = temporaryDirectory()
    const child = spawn(process.execPath, [writerScript, directory.path, '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const told: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => told.push(text))
    await once(child.stdout, 'data')
    await sleep(50 + round * 37)
    child.kill('SIGKILL')
    await once(child, 'close')
    const content = readSpool(directory.path)
    const seen = new Set(content.begins.keys())
    const lines = told.join('').split('\n').slice(0, -1)
    assert.ok(lines.length > 0)
    for (const line of lines) assert.ok(seen.has(Number(line)), `begin ${line} is missing`)
    const files = segmentFiles(directory.path)
    for (const file of files.slice(0, -1)) {
      const bytes = readFileSync(join(directory.path, file))
      assert.equal(scanSpool(bytes, 0, true, () => true).skippedBytes, 0)
    }
  }
})
