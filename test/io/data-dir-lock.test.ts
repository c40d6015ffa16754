import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockDataDir } from '../../src/io/data-dir-lock.js'
import { StartError } from '../../src/io/start-error.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const lockModule = new URL('../../src/io/data-dir-lock.js', import.meta.url).href

for (const platform of ['linux', 'darwin'] as const) {
  test(`one holder at a time, by whatever path (${platform})`, async () => {
    await using folder = await temporaryFolder()
    const other = join(folder.path, 'link')
    symlinkSync('.', other)
    const first = await lockDataDir(folder.path, platform)
    await assert.rejects(lockDataDir(other, platform), (error) => {
      assert.ok(error instanceof StartError)
      assert.equal(error.exitCode, 75)
      assert.match(error.message, new RegExp(`in use by another gateway \\(process ${process.pid}\\)`))
      return true
    })
    await first.release()
    await first.release()
    await using second = await lockDataDir(other, platform)
    assert.ok(second)
  })

  test(`dies with its holder (${platform})`, async () => {
    await using folder = await temporaryFolder()
    const code = `import { lockDataDir } from ${JSON.stringify(lockModule)}
      await lockDataDir(${JSON.stringify(folder.path)}, '${platform}')
      console.log('held'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    await assert.rejects(lockDataDir(folder.path, platform), StartError)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await using lock = await lockDataDir(folder.path, platform)
    assert.ok(lock)
  })
}
