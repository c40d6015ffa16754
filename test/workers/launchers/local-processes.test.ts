import assert from 'node:assert/strict'
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { LaunchTemplateError } from '../../../src/core/template-text.js'
import { GatewayError } from '../../../src/core/errors.js'
import { processFacts } from '../../../src/io/process-identity.js'
import { StartError } from '../../../src/io/start-error.js'
import { readLaunchTemplates } from '../../../src/workers/launchers/launch-templates.js'
import { livingMembers } from '../../../src/workers/launchers/process-group.js'
import { parseLaunchTemplate } from '../../../src/core/launch-template.js'
import { API_KEY, fakeLaunch, launchValues, openLauncher } from '../../support/local-launcher.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

/** The living processes that bear a node's mark, whoever started them. */
async function marked(folder: string, clusterName = 'node-1'): Promise<number[]> {
  const group = { folder: join(await realpath(folder), clusterName), leader: null, seen: [] }
  return livingMembers(group).map(({ pid }) => pid)
}

test('a simulated node comes up stage by stage, serves with its key, and is gone when it is stopped', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const template = (await readLaunchTemplates(null)).get('simulated')
  assert.ok(template !== undefined)
  const engineArgs = ['--ttft-ms', '1', '--chat-max-tokens=4']
  await launcher.processes.launch('node-1', { ...launchValues(), template, engineArgs })
  const { endpointUrl, pid, progress, stages, starts, error } = await launcher.untilStage('node-1', 'active')
  assert.deepEqual([progress, starts, error], [100, 1, null])
  const order = stages.map(({ stage }) => stage)
  assert.deepEqual([order[0], order[1], order.at(-1)], ['installing', 'model_loading', 'active'])
  const progresses = launcher.states.map((state) => state.progress)
  assert.deepEqual(
    progresses,
    [...progresses].sort((one, other) => one - other),
  )

  const ask = (key: string) =>
    fetch(`${endpointUrl ?? ''}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'served', messages: [{ role: 'user', content: 'hello' }] }),
    })
  assert.equal((await ask('wrong')).status, 401)
  const reply = await ask(API_KEY)
  assert.equal(reply.status, 200)
  assert.match(await reply.text(), /"completion_tokens":4\b/)

  await launcher.processes.stop('node-1')
  assert.equal(launcher.processes.state('node-1')?.stage, 'stopped')
  assert.equal(await isAlive(pid ?? 0), false)
  assert.deepEqual(await launcher.processes.recorded(), [])
  assert.ok(!launcher.log.join('').includes(API_KEY))
})

test('a node that is launched again and again runs once', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const launch = fakeLaunch('serves')
  await Promise.all([1, 2, 3].map(() => launcher.processes.launch('node-1', launch)))
  const { pid } = await launcher.untilStage('node-1', 'active')
  await launcher.processes.launch('node-1', launch)
  assert.deepEqual(await marked(folder.path), [pid])
  // A stop and a launch that follows at once: the one after the other.
  const stopped = launcher.processes.stop('node-1')
  await launcher.processes.launch('node-1', launch)
  await stopped
  const again = await launcher.untilStage('node-1', 'active')
  assert.notEqual(again.pid, pid)
  assert.deepEqual(await marked(folder.path), [again.pid])
})

test('one that ignores SIGTERM is killed after its grace', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('ignores-sigterm', 'stop: { grace_seconds: 3 }'))
  await launcher.untilStage('node-1', 'active')
  await launcher.processes.stop('node-1')
  assert.ok(launcher.processes.lastLines('node-1', 10).includes('ignored SIGTERM'))
  assert.deepEqual(await marked(folder.path), [])
})

test('one that exits is started again, then given up with its exit code and last lines, secrets hidden', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const restart = 'restart: { attempts: 3, first_pause_seconds: 0.05 }'
  await launcher.processes.launch('node-1', fakeLaunch('exits', restart))
  const { error, starts, pid } = await launcher.untilStage('node-1', 'failed')
  assert.deepEqual([starts, pid], [3, null])
  assert.match(
    error ?? '',
    /^given up after 3 failed starts; the last: exit code 3; it printed last: pid \d+ \| key \*\*\* \| database none \| cannot load the model with \*\*\*$/,
  )
  assert.ok(!launcher.log.join('').includes(API_KEY))
  // It is tried again when it is asked for again.
  await launcher.processes.launch('node-1', fakeLaunch('serves'))
  const served = await launcher.untilStage('node-1', 'active')
  assert.deepEqual([served.error, served.starts], [null, 1])
})

test('one that never gets ready is ended, and says what its last answer was', async () => {
  await using folder = await temporaryFolder()
  let aheadMs = 0
  await using launcher = await openLauncher(folder.path, { now: () => Date.now() + aheadMs })
  const more = `restart: { attempts: 1 }
readiness: { path: /health, timeout_seconds: 60, interval_seconds: 0.05 }`
  await launcher.processes.launch('node-1', fakeLaunch('never-ready', more))
  await launcher.untilStage('node-1', 'health_check')
  aheadMs = 60_000
  const { error, stages } = await launcher.untilStage('node-1', 'failed')
  assert.match(error ?? '', /it was not ready within 60 s: \/health answered 503/)
  assert.deepEqual(
    stages.map(({ stage }) => stage),
    ['installing', 'model_loading', 'health_check', 'failed'],
  )
  assert.deepEqual(await marked(folder.path), [])
})

test('a program that is not there is said to be', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const template = parseLaunchTemplate(
    'none.yaml',
    `engine: none
command: [no-such-engine, '$(touch /tmp/never)']
readiness: { path: /health, timeout_seconds: 5 }
restart: { attempts: 1 }`,
  )
  await launcher.processes.launch('node-1', { ...launchValues(), template })
  const { error } = await launcher.untilStage('node-1', 'failed')
  assert.match(error ?? '', /exit code 127; it printed last: .*no-such-engine: not found/)
})

test('whoever else answers at the port is not taken for the node', async () => {
  await using folder = await temporaryFolder()
  const stranger = createServer((_request, response) => {
    response.writeHead(200).end()
  })
  await using launcher = await openLauncher(folder.path, {
    onChange: (_, { endpointUrl, stage }) => {
      if (stage !== 'installing' || endpointUrl === null || stranger.listening) return
      stranger.listen(Number(new URL(endpointUrl).port), '127.0.0.1')
    },
  })
  const more = `restart: { attempts: 1 }
readiness: { path: /health, timeout_seconds: 1.5, interval_seconds: 0.05 }`
  await launcher.processes.launch('node-1', fakeLaunch('never-listens', more))
  const { error } = await launcher.untilStage('node-1', 'failed')
  assert.match(error ?? '', /port \d+ belongs to another process/)
  stranger.close()
  stranger.closeAllConnections()
})

test('what a node forks ends with it, also what took leave of its session and environment', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('forks'))
  await launcher.untilStage('node-1', 'active')
  const pids = await printedPids(launcher.processes, 3)
  await launcher.processes.stop('node-1')
  for (const pid of pids) assert.equal(await isAlive(pid), false)
})

test('what a node has just forked ends with it, before anything was written down of it', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('forks-and-loads'))
  const pids = await printedPids(launcher.processes, 3)
  await launcher.processes.stop('node-1')
  for (const pid of pids) assert.equal(await isAlive(pid), false)
})

test('when its main process dies, the rest is ended before it is started again, at its old port', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('forks'))
  const { pid, endpointUrl } = await launcher.untilStage('node-1', 'active')
  const first = await printedPids(launcher.processes, 3)
  // The one of its own session is an orphan then: it is known because it was seen.
  await eventually('its processes are written down', async () => {
    const record = await readFile(join(folder.path, 'node-1', 'process.json'), 'utf8')
    return first.every((known) => record.includes(`"pid":${known},`))
  })
  process.kill(pid ?? 0, 'SIGKILL')
  await eventually('it runs again', () => {
    const state = launcher.processes.state('node-1')
    return state?.stage === 'active' && state.pid !== pid
  })
  const state = launcher.processes.state('node-1')
  assert.deepEqual([state?.endpointUrl, state?.starts], [endpointUrl, 2])
  for (const known of first) assert.equal(await isAlive(known), false)
  assert.ok(launcher.log.some((line) => /local_node_ended.*signal SIGKILL/.test(line)))
  // What engines print may be their users'.
  assert.ok(!launcher.log.join('').includes('database none'))
})

test('a launch that cannot be is refused before anything is touched', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const { processes } = launcher
  await assert.rejects(
    processes.launch('node-1', { ...fakeLaunch('serves'), apiKey: '' }),
    (error) => error instanceof LaunchTemplateError && /'api_key' is missing/.test(error.message),
  )
  const template = (await readLaunchTemplates(null)).get('simulated')
  assert.ok(template !== undefined)
  await assert.rejects(
    processes.launch('node-1', { ...launchValues(), template, engineArgs: ['--port', '1'] }),
    (error) => error instanceof GatewayError && error.param === 'engine_args[0]',
  )
  for (const name of ['../node', 'Node', '', '.', 'a/b']) {
    await assert.rejects(processes.launch(name, fakeLaunch('serves')), RangeError)
  }
  assert.equal(processes.state('node-1'), null)
  assert.deepEqual(await processes.recorded(), [])
})

test('an engine gets what it needs of the environment and its limits, and no password of the gateway', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  const template = parseLaunchTemplate(
    'limits.yaml',
    `engine: limits
command: [/bin/sh, -c, 'echo "path $PATH"; echo "data $(ulimit -d)"; echo "nice $(nice)"; echo "url $DATABASE_URL"; exit 1']
readiness: { path: /health, timeout_seconds: 5 }
restart: { attempts: 1 }
limits: { nice: 7, memory_gb: 0.5, cpus: '0' }`,
  )
  await launcher.processes.launch('node-1', { ...launchValues(), template })
  await launcher.untilStage('node-1', 'failed')
  assert.deepEqual(launcher.processes.lastLines('node-1', 4), [
    `path ${process.env['PATH'] ?? ''}`,
    `data ${0.5 * 1024 * 1024}`,
    'nice 7',
    'url',
  ])
})

test('a folder has one launcher at a time', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await assert.rejects(openLauncher(folder.path), StartError)
  assert.deepEqual(await launcher.processes.recorded(), [])
})

test('a stranger who got the number of a process that ended is never touched', async () => {
  await using folder = await temporaryFolder()
  await using other = await temporaryFolder()
  // A process that is none of the node's, though the record has its number.
  await using strangers = await openLauncher(other.path)
  await strangers.processes.launch('stranger', fakeLaunch('serves'))
  const { pid } = await strangers.untilStage('stranger', 'active')
  assert.ok(pid !== null)
  const record = await readFile(join(other.path, 'stranger', 'process.json'), 'utf8')
  const text = record.replace(/"startTicks":"(\d+)"/, (_, ticks) => `"startTicks":"${Number(ticks) - 1}"`)
  assert.notEqual(text, record)
  for (const name of ['node-1', 'node-2']) {
    await mkdir(join(folder.path, name))
    await writeFile(join(folder.path, name, 'process.json'), text)
  }

  await using launcher = await openLauncher(folder.path)
  assert.deepEqual((await launcher.processes.recorded()).sort(), ['node-1', 'node-2'])
  await launcher.processes.stop('node-1')
  await launcher.processes.launch('node-2', fakeLaunch('serves'))
  const own = await launcher.untilStage('node-2', 'active')
  assert.notEqual(own.pid, pid)
  await launcher.processes.stop('node-2')
  assert.ok(processFacts(pid) !== null)
  assert.equal(strangers.processes.state('stranger')?.stage, 'active')
})

test('a node is discarded with its logs', async () => {
  await using folder = await temporaryFolder()
  await using launcher = await openLauncher(folder.path)
  await launcher.processes.launch('node-1', fakeLaunch('serves'))
  const { pid } = await launcher.untilStage('node-1', 'active')
  await launcher.processes.discard('node-1')
  assert.equal(await isAlive(pid ?? 0), false)
  await assert.rejects(readFile(join(folder.path, 'node-1', 'engine.log')), /ENOENT/)
  assert.equal(launcher.processes.state('node-1'), null)
})

/** The ids that a node's processes printed, once there are as many as expected. */
async function printedPids(
  processes: { lastLines(clusterName: string, count: number): string[] },
  expected: number,
): Promise<number[]> {
  const read = () =>
    processes
      .lastLines('node-1', 100)
      .filter((line) => line.startsWith('pid '))
      .map((line) => Number(line.slice(4)))
  await eventually('they have all printed', () => read().length >= expected)
  return read()
}
