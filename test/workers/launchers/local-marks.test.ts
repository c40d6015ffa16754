import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { INSTALLATION_MARK, rootsOfMarked } from '../../../src/workers/launchers/local-marks.js'
import { environmentOf, NODE_MARK } from '../../../src/workers/launchers/process-group.js'
import { eventually } from '../../support/processes.js'

/** A process that bears marks as a node does. */
async function startMarked(env: Record<string, string>, uid?: number) {
  const child = spawn('/bin/sleep', ['600'], {
    env,
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    ...(uid === undefined ? {} : { uid }),
  })
  await once(child, 'spawn')
  await eventually(
    'it bears its marks',
    () => environmentOf(child.pid ?? 0).length >= Object.keys(env).length,
  )
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

test('nodes of an installation are found by the marks of what runs, and by nothing that looks like them', async () => {
  const installation = crypto.randomUUID()
  const marks = (folder: string, of = installation) => ({ [INSTALLATION_MARK]: of, [NODE_MARK]: folder })
  await using one = await startMarked(marks('/some/where/node-1'))
  await using others = await startMarked(marks('/some/where/node-2', crypto.randomUUID()))
  await using nowhere = await startMarked(marks('where/node-3'))
  await using unnamed = await startMarked(marks('/some/where/Node_4'))
  await using half = await startMarked({ [INSTALLATION_MARK]: installation })
  assert.ok(one && others && nowhere && unnamed && half)
  assert.deepEqual([...rootsOfMarked(installation)], [['node-1', '/some/where']])
})

test('what another user runs is not believed to be a node', async () => {
  const installation = crypto.randomUUID()
  const env = { [INSTALLATION_MARK]: installation, [NODE_MARK]: '/etc/passwd' }
  // Only root can look into the environment of others, and start something as they do.
  const isRoot = process.getuid?.() === 0
  await using stranger = await startMarked(isRoot ? env : {}, isRoot ? 65_534 : undefined)
  assert.ok(stranger)
  assert.deepEqual([...rootsOfMarked(installation)], [])
})
