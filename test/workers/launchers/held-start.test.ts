import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { processFacts } from '../../../src/io/process-identity.js'
import { startHeld } from '../../../src/workers/launchers/held-start.js'
import { openLog } from '../../../src/workers/launchers/log-file.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

async function held(folder: string, args: readonly string[], memoryGb: number | null = null) {
  const path = join(folder, 'engine.log')
  const outputFd = openLog(path)
  const limits = { nice: 0, memory_gb: memoryGb, cpus: null }
  const env = { PATH: process.env['PATH'] ?? '' }
  const process_ = await startHeld({ program: 'printf', args, cwd: folder, env, outputFd, limits })
  closeSync(outputFd)
  return { process: process_, printed: () => readFile(path, 'utf8') }
}

test('a process begins with the word alone, with its arguments as they are', async () => {
  await using folder = await temporaryFolder()
  const args = ['%s\\n', 'a b', '$(id)', '; exit 9', '*', '"', "'", '']
  const { process, printed } = await held(folder.path, args)
  assert.equal(processFacts(process.pid)?.startTicks, process.startTicks)
  assert.equal(await printed(), '')
  process.go()
  assert.deepEqual(await process.exited, { code: 0, signal: null })
  assert.equal(await printed(), args.slice(1).join('\n') + '\n')
})

test('a process that is abandoned, as by a gateway that was killed, ends without having begun', async () => {
  await using folder = await temporaryFolder()
  const { process, printed } = await held(folder.path, ['begun'])
  process.abandon()
  assert.deepEqual(await process.exited, { code: 125, signal: null })
  assert.equal(await printed(), '')
})
