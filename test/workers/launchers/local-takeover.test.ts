import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LaunchedNode } from '../../../src/workers/launchers/launcher.js'
import { processFacts } from '../../../src/io/process-identity.js'
import { StartError } from '../../../src/io/start-error.js'
import {
  freshName,
  livingNodes,
  membersOf,
  nodeOf,
  openLocal,
  PATIENCE_MS,
} from '../../support/local-launching.js'
import { eventually } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

const program = fileURLToPath(new URL('../../support/local-launching.js', import.meta.url))

/** A leader in a process of its own, to be killed. `verb` is what it does with each node once that is up. */
function startLeader(folder: string, installation: string, nodes: readonly LaunchedNode[], verb = '') {
  const orders = nodes.map(({ clusterName, machine }) => [clusterName, machine.engine, verb].join(':'))
  const child = spawn(process.execPath, [program, folder, installation, ...orders], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return {
    said: (node: LaunchedNode, state: string) =>
      eventually(
        `the leader says ${state}`,
        () => lines.includes(`${node.clusterName} ${state}`),
        PATIENCE_MS,
      ),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

test('nodes of a leader that was killed are up at the first look of the next one, which keeps and removes them', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  const nodes = [nodeOf(freshName(), 'serves'), nodeOf(freshName(), 'forks')]
  await using leader = startLeader(folder.path, installation, nodes)
  for (const node of nodes) await leader.said(node, 'up')
  await leader.kill()
  const before = livingNodes(installation)

  await using local = openLocal(folder.path, installation)
  const states = await local.launcher.look(nodes)
  assert.deepEqual(
    [...states.values()].map(({ state }) => state),
    ['up', 'up'],
  )
  assert.deepEqual(livingNodes(installation).sort(), before.sort())
  for (const { clusterName } of nodes) await local.launcher.remove(clusterName)
  for (const node of nodes) await local.until(node, 'absent')
  assert.deepEqual(livingNodes(installation), [])
  for (const { clusterName } of nodes) assert.deepEqual(await membersOf(folder.path, clusterName), [])
})

test('one with another folder takes over from a leader that was killed: nothing is lost, started twice or left', async () => {
  await using one = await temporaryFolder()
  await using other = await temporaryFolder()
  const installation = crypto.randomUUID()
  const nodes = [nodeOf(freshName(), 'serves'), nodeOf(freshName(), 'forks')]
  const [first, second] = nodes
  assert.ok(first !== undefined && second !== undefined)
  await using leader = startLeader(one.path, installation, nodes)
  for (const node of nodes) await leader.said(node, 'up')
  const before = livingNodes(installation).sort()
  await using local = openLocal(other.path, installation)
  // As long as the other one is there nothing is known, and nothing done.
  const held = /in the hands of another process of the gateway \(process \d+\)/
  await assert.rejects(local.launcher.look(nodes), held)
  await assert.rejects(local.launcher.launch(first, 'unused'), held)
  await assert.rejects(local.launcher.remove(first.clusterName), held)
  await assert.rejects(local.launcher.machines(installation), held)
  await leader.kill()

  const found = [...(await local.launcher.look(nodes)).values()]
  assert.deepEqual(
    found.map(({ state }) => state),
    ['up', 'up'],
  )
  for (const node of nodes) await local.launcher.launch(node, 'unused')
  assert.deepEqual(livingNodes(installation).sort(), before)
  assert.deepEqual(
    [...(await local.launcher.machines(installation))].sort(),
    nodes.map(({ clusterName }) => clusterName).sort(),
  )
  // It is kept running where it was; a new one goes into the folder of the new leader.
  const [pid] = await membersOf(one.path, first.clusterName)
  process.kill(pid ?? 0, 'SIGKILL')
  await local.until(first, 'coming')
  assert.deepEqual(await local.until(first, 'up'), found[0])
  assert.equal((await membersOf(one.path, first.clusterName)).length, 1)
  const third = nodeOf(freshName(), 'serves')
  await local.launcher.launch(third, 'unused')
  await local.until(third, 'up')
  assert.ok(existsSync(join(other.path, third.clusterName)))

  for (const { clusterName } of nodes) await local.launcher.remove(clusterName)
  for (const node of nodes) await local.until(node, 'absent')
  for (const { clusterName } of nodes) {
    assert.deepEqual(await membersOf(one.path, clusterName), [])
    assert.equal(existsSync(join(one.path, clusterName)), false)
  }
})

test('a leader that lives on without leading gives its nodes back, and gets them again', async () => {
  await using one = await temporaryFolder()
  await using other = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'serves')
  const first = openLocal(one.path, installation)
  await first.launcher.launch(node, 'unused')
  const before = await first.until(node, 'up')
  await first.launcher[Symbol.asyncDispose]()
  const second = openLocal(other.path, installation)
  assert.deepEqual(await second.stateOf(node), before)
  await second.launcher[Symbol.asyncDispose]()
  await using third = openLocal(one.path, installation)
  assert.deepEqual(await third.stateOf(node), before)
})

test('a node that moved on lives in one folder: what an older record tells of it starts nothing', async () => {
  await using one = await temporaryFolder()
  await using other = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'serves')
  await using leader = startLeader(one.path, installation, [node])
  await leader.said(node, 'up')
  await leader.kill()
  const [pid] = await membersOf(one.path, node.clusterName)
  process.kill(pid ?? 0, 'SIGKILL')
  await eventually('it has ended', () => livingNodes(installation).length === 0)
  // Nothing of it runs, and of its folder the next one does not know.
  const second = openLocal(other.path, installation)
  assert.deepEqual(await second.stateOf(node), { state: 'absent' })
  await second.launcher.launch(node, 'unused')
  const moved = await second.until(node, 'up')
  await second.launcher[Symbol.asyncDispose]()

  await using third = openLocal(one.path, installation)
  assert.deepEqual(await third.stateOf(node), moved)
  assert.equal(livingNodes(installation).length, 1)
  await third.launcher.remove(node.clusterName)
  await third.until(node, 'absent')
  for (const folder of [one.path, other.path]) assert.equal(existsSync(join(folder, node.clusterName)), false)
})

test('a node that died while nobody led is started again from what lies on disk', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'forks')
  await using leader = startLeader(folder.path, installation, [node])
  await leader.said(node, 'up')
  await leader.kill()
  const members = await membersOf(folder.path, node.clusterName)
  process.kill(members[0] ?? 0, 'SIGKILL')
  await eventually('its main process is gone', () => processFacts(members[0] ?? 0) === null)
  await using local = openLocal(folder.path, installation)
  assert.equal((await local.stateOf(node)).state, 'coming')
  await local.until(node, 'up')
  assert.equal(livingNodes(installation).length, 1)
})

test('a removal in the middle of which the leader was killed is finished by one with another folder', async () => {
  await using one = await temporaryFolder()
  await using other = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'ignores-sigterm')
  await using leader = startLeader(one.path, installation, [node], 'remove')
  await leader.said(node, 'going')
  await leader.kill()
  await using local = openLocal(other.path, installation)
  await local.stateOf(node)
  await local.launcher.remove(node.clusterName)
  await local.until(node, 'absent')
  assert.deepEqual(livingNodes(installation), [])
  assert.equal(existsSync(join(one.path, node.clusterName)), false)
})

test('nodes of another installation are none of its, even of the same name', async () => {
  await using one = await temporaryFolder()
  await using other = await temporaryFolder()
  const [ours, theirs] = [crypto.randomUUID(), crypto.randomUUID()]
  const node = nodeOf(freshName(), 'serves')
  await using local = openLocal(one.path, ours)
  await using stranger = openLocal(other.path, theirs)
  await stranger.launcher.launch(node, 'unused')
  const before = await stranger.until(node, 'up')
  assert.deepEqual(await local.stateOf(node), { state: 'absent' })
  assert.deepEqual(await local.launcher.machines(ours), [])
  await local.launcher.remove(node.clusterName)
  assert.deepEqual(await stranger.stateOf(node), before)
})

test('a leader that is killed at any moment of a launch leaves none or one, whichever folder the next one has', async () => {
  for (const [turn, afterMs] of [0, 1, 2, 4, 8, 16, 32, 64, 128, 256].entries()) {
    await using one = await temporaryFolder()
    await using other = await temporaryFolder()
    const installation = crypto.randomUUID()
    const node = nodeOf(freshName(), 'serves')
    await using leader = startLeader(one.path, installation, [node])
    await leader.said(node, 'absent')
    await sleep(afterMs)
    await leader.kill()
    await using local = openLocal(turn % 2 === 0 ? other.path : one.path, installation)
    // A process that had been forked and not yet become the launch's holds the lock of the dead a moment longer.
    await eventually('the nodes are in its hands', () =>
      local.stateOf(node).then(
        () => true,
        (error: unknown) => {
          if (error instanceof StartError) return false
          throw error
        },
      ),
    )
    if ((await local.stateOf(node)).state === 'absent') await local.launcher.launch(node, 'unused')
    await local.until(node, 'up')
    // One that was waiting for its word ends by itself.
    await eventually('one is left', () => livingNodes(installation).length === 1)
    await local.launcher.remove(node.clusterName)
    await local.until(node, 'absent')
    await eventually('none is left', () => livingNodes(installation).length === 0)
  }
})
