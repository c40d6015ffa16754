import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { processFacts } from '../../../src/io/process-identity.js'
import { StartError } from '../../../src/io/start-error.js'
import { livingMembers } from '../../../src/workers/launchers/process-group.js'
import { fakeLaunch, type OpenedLauncher, openLauncher } from '../../support/local-launcher.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

const program = fileURLToPath(new URL('../../support/local-launcher.js', import.meta.url))

/** A gateway's process that launches `node-1`, to be killed. */
function startGateway(folder: string, behaviour: string, ...more: string[]) {
  const child = spawn(process.execPath, [program, folder, behaviour, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return {
    reached: (stage: string) =>
      eventually(`the gateway says ${stage}`, () =>
        lines.some((line) => line.includes(`"stage":"${stage}"`)),
      ),
    kill: () => kill(child),
    [Symbol.asyncDispose]: () => kill(child),
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** The living processes that bear the node's mark, whoever started them. */
async function marked(folder: string): Promise<number[]> {
  const group = { folder: join(await realpath(folder), 'node-1'), leader: null, seen: [] }
  return livingMembers(group).map(({ pid }) => pid)
}

/** A process that had been forked and not yet become the launch's holds the lock of the dead a moment longer. */
async function openOnceFree(folder: string): Promise<OpenedLauncher> {
  for (const deadline = performance.now() + 60_000; ; await sleep(20)) {
    try {
      return await openLauncher(folder)
    } catch (error) {
      if (!(error instanceof StartError) || performance.now() > deadline) throw error
    }
  }
}

test('a node outlives a gateway that is killed, and the next one adopts it', async () => {
  await using folder = await temporaryFolder()
  await using gateway = startGateway(folder.path, 'serves')
  await gateway.reached('active')
  const before = await marked(folder.path)
  assert.equal(before.length, 1)
  await gateway.kill()
  assert.deepEqual(await marked(folder.path), before)

  await using launcher = await openLauncher(folder.path)
  assert.deepEqual(await launcher.processes.recorded(), ['node-1'])
  assert.equal(launcher.processes.state('node-1'), null)
  await launcher.processes.launch('node-1', fakeLaunch('serves'))
  const { pid, starts, endpointUrl } = await launcher.untilStage('node-1', 'active')
  assert.deepEqual([[pid], starts], [before, 0])
  assert.equal((await fetch(`${endpointUrl ?? ''}/health`)).status, 200)

  // It is kept running as one of its own.
  process.kill(pid ?? 0, 'SIGKILL')
  await eventually('it runs again', () => launcher.processes.state('node-1')?.starts === 1)
  const again = await launcher.untilStage('node-1', 'active')
  assert.equal(again.endpointUrl, endpointUrl)
  await launcher.processes.stop('node-1')
  assert.deepEqual(await marked(folder.path), [])
})

test('a node that nobody asks for again is recorded and can be stopped, with what it forked', async () => {
  await using folder = await temporaryFolder()
  await using gateway = startGateway(folder.path, 'forks')
  await gateway.reached('active')
  await eventually('it has forked', async () => (await marked(folder.path)).length === 3)
  const all = await marked(folder.path)
  await gateway.kill()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.stop('node-1')
  for (const pid of all) assert.equal(await isAlive(pid), false)
})

test('what is left of a node that died while no gateway ran is ended before it is started again', async () => {
  await using folder = await temporaryFolder()
  await using gateway = startGateway(folder.path, 'forks')
  await gateway.reached('active')
  const record = await readFile(join(folder.path, 'node-1', 'process.json'), 'utf8')
  const [main, ...rest] = [...record.matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid))
  assert.equal(rest.length, 2)
  await gateway.kill()
  process.kill(main ?? 0, 'SIGKILL')
  await eventually('its main process is gone', () => processFacts(main ?? 0) === null)
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('serves'))
  const { pid } = await launcher.untilStage('node-1', 'active')
  for (const left of rest) assert.equal(await isAlive(left), false)
  assert.deepEqual(await marked(folder.path), [pid])
})

test('a node whose record was damaged is found by its mark, and ended before it is started again', async () => {
  await using folder = await temporaryFolder()
  await using gateway = startGateway(folder.path, 'serves')
  await gateway.reached('active')
  const [before] = await marked(folder.path)
  await gateway.kill()
  await writeFile(join(folder.path, 'node-1', 'process.json'), '{"pid":1')
  await using launcher = await openLauncher(folder.path)
  assert.deepEqual(await launcher.processes.recorded(), ['node-1'])
  await launcher.processes.launch('node-1', fakeLaunch('serves'))
  const { pid } = await launcher.untilStage('node-1', 'active')
  assert.notEqual(pid, before)
  assert.deepEqual(await marked(folder.path), [pid])
})

test('a stop during which the gateway was killed is finished by the next one', async () => {
  await using folder = await temporaryFolder()
  await using gateway = startGateway(folder.path, 'ignores-sigterm', 'stop')
  await gateway.reached('stopping')
  // From the order to SIGKILL seconds pass.
  await eventually('the order is written down', async () => {
    const record = await readFile(join(folder.path, 'node-1', 'process.json'), 'utf8')
    return record.includes('"wanted":"stopped"')
  })
  await gateway.kill()
  assert.equal((await marked(folder.path)).length, 1)
  await using launcher = await openLauncher(folder.path)
  await eventually('it is stopped', async () => (await marked(folder.path)).length === 0)
  await eventually('it is forgotten', async () => (await launcher.processes.recorded()).length === 0)
})

test('a gateway that is killed at any moment of a launch leaves none or one, which the next one finds', async () => {
  // A launch takes about a tenth of a second up to its first answer, most of it the engine's; what matters comes first.
  for (const afterMs of [0, 1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 40, 80, 120]) {
    await using folder = await temporaryFolder()
    await using gateway = startGateway(folder.path, 'serves')
    await gateway.reached('opened')
    await sleep(afterMs)
    await gateway.kill()
    await using launcher = await openOnceFree(folder.path)
    await launcher.processes.launch('node-1', fakeLaunch('serves'))
    const { pid } = await launcher.untilStage('node-1', 'active')
    // One that was waiting for its word ends by itself.
    await eventually('one is left', async () => (await marked(folder.path)).length === 1)
    assert.deepEqual(await marked(folder.path), [pid])
  }
})

test('a launcher that is closed leaves its nodes running', async () => {
  await using folder = await temporaryFolder()
  const first = await openLauncher(folder.path)
  await first.processes.launch('node-1', fakeLaunch('serves'))
  const { pid } = await first.untilStage('node-1', 'active')
  await first.processes[Symbol.asyncDispose]()
  assert.equal(await isAlive(pid ?? 0), true)
  await assert.rejects(first.processes.launch('node-2', fakeLaunch('serves')), /has been closed/)
  await using second = await openLauncher(folder.path)
  await second.processes.launch('node-1', fakeLaunch('serves'))
  assert.equal((await second.untilStage('node-1', 'active')).pid, pid)
})
