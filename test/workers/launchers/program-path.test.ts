import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { programPath } from '../../../src/workers/launchers/program-path.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

test('a program is looked for as a shell does: by its path, else in one folder after the other', async () => {
  await using folder = await temporaryFolder()
  const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')]
  for (const path of [first, second]) await mkdir(join(path, 'a-folder'), { recursive: true })
  const write = async (path: string, mode: number) => {
    await writeFile(path, '')
    await chmod(path, mode)
  }
  await write(join(first, 'engine'), 0o644)
  await write(join(second, 'engine'), 0o755)
  const path = `/none:${first}:${second}`
  assert.equal(programPath('engine', path), join(second, 'engine'))
  assert.equal(programPath('a-folder', path), null)
  assert.equal(programPath('other', path), null)
  assert.equal(programPath(join(second, 'engine'), ''), join(second, 'engine'))
  assert.equal(programPath(join(first, 'engine'), path), null)
  assert.equal(programPath('second/engine', '', folder.path), join(second, 'engine'))
  assert.ok(programPath('sh') !== null)
})
