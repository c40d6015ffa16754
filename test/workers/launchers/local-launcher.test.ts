import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseLaunchTemplate } from '../../../src/core/launch-template.js'
import { LaunchError } from '../../../src/workers/launchers/launcher.js'
import { readLaunchTemplates } from '../../../src/workers/launchers/launch-templates.js'
import { API_KEY } from '../../support/local-launcher.js'
import {
  fakeTemplates,
  freshName,
  livingNodes,
  membersOf,
  nodeOf,
  openLocal,
} from '../../support/local-launching.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

test('a node without GPUs comes up, is asked for again in vain, and is gone with its folder when removed', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  await using local = openLocal(folder.path, installation, await readLaunchTemplates(null))
  const { launcher } = local
  const node = nodeOf(freshName(), 'simulated', { engineArgs: ['--ttft-ms', '1'] })
  assert.deepEqual(await local.stateOf(node), { state: 'absent' })
  await launcher.launch(node, 'unused')
  const first = await local.stateOf(node)
  assert.ok(first.state === 'coming' && first.stage === 'installing' && first.progress === 0)
  const { endpointUrl } = await local.until(node, 'up')
  assert.match(endpointUrl ?? '', /^http:\/\/127\.0\.0\.1:\d+$/)
  const models = await fetch(`${endpointUrl ?? ''}/v1/models`, {
    headers: { authorization: `Bearer ${API_KEY}` },
  })
  assert.match(await models.text(), /"served"/)

  await launcher.launch(node, 'unused')
  assert.deepEqual(await launcher.machines(installation), [node.clusterName])
  assert.equal(livingNodes(installation).length, 1)
  assert.ok((await launcher.lastLines(node.clusterName, 5)).every((line) => !line.includes(API_KEY)))

  await launcher.remove(node.clusterName)
  assert.deepEqual(await local.stateOf(node), { state: 'going' })
  await launcher.remove(node.clusterName)
  await local.until(node, 'absent')
  assert.deepEqual(await launcher.machines(installation), [])
  assert.deepEqual(livingNodes(installation), [])
  assert.deepEqual(await readdir(folder.path), [])
  await launcher.remove(node.clusterName)
})

test('what cannot be launched is refused in words, and nothing is left of it', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  const own = (command: string, more = '') =>
    parseLaunchTemplate(
      'own.yaml',
      `engine: own\ncommand: ${command}\nreadiness: { path: /health, timeout_seconds: 5 }\n${more}`,
    )
  const templates = new Map([
    ...(await readLaunchTemplates(null)),
    ['no-program', own('[no-such-engine, "{{model}}"]')],
    ['no-file', own('[/no/such/engine]')],
    ['a-folder', own('[/usr]')],
    ['secretive', own('["{{node}}"]', 'secrets: [{ name: hf_token, env: HF_TOKEN }]')],
    ['without-args', own('["{{node}}"]')],
  ])
  await using local = openLocal(folder.path, installation, templates)
  const cases = [
    [nodeOf(freshName(), 'nothing'), /no launch template for the engine 'nothing'/],
    [nodeOf(freshName(), 'no-program'), /own\.yaml: this machine has no program 'no-such-engine'/],
    [nodeOf(freshName(), 'no-file'), /no program '\/no\/such\/engine'/],
    [nodeOf(freshName(), 'a-folder'), /no program '\/usr'/],
    [nodeOf(freshName(), 'secretive'), /the secret 'hf_token' is missing/],
    [nodeOf(freshName(), 'without-args', { engineArgs: ['--x'] }), /it has no '\{\{engine_args\}\}'/],
    [nodeOf(freshName(), 'simulated', { engineArgs: ['--port', '1'] }), /--port is not yours to set/],
    [nodeOf(freshName(), 'simulated', { servedModelName: '-rf' }), /begins with '-'/],
    [nodeOf('../elsewhere', 'simulated'), /not a node's name/],
  ] as const
  for (const [node, expected] of cases) {
    await assert.rejects(
      local.launcher.launch(node, 'unused'),
      (error) => error instanceof LaunchError && error.kind === 'refused' && expected.test(error.message),
    )
  }
  assert.deepEqual(await local.launcher.machines(installation), [])
  assert.deepEqual(await readdir(folder.path), [])
})

test('one that is given up says what it printed last, at most 2,000 characters, secrets hidden', async () => {
  await using folder = await temporaryFolder()
  await using local = openLocal(folder.path, crypto.randomUUID())
  const [much, exits] = [nodeOf(freshName(), 'prints-much'), nodeOf(freshName(), 'exits')]
  for (const node of [much, exits]) await local.launcher.launch(node, 'unused')
  const { kind, reason } = await local.until(exits, 'failed')
  assert.equal(kind, 'failed')
  assert.match(
    reason,
    /^given up after 5 failed starts; the last: exit code 3; it printed last: .*cannot load the model with \*\*\*$/,
  )
  const longest = await local.until(much, 'failed')
  assert.match(longest.reason, /it printed last: .*line 49 \*\*\* x+ \| CUDA out of memory$/)
  assert.ok(longest.reason.length < 2_200)
  assert.ok(![reason, longest.reason, ...local.log].join('').includes(API_KEY))
  assert.deepEqual(await local.launcher.lastLines(exits.clusterName, 1), ['cannot load the model with ***'])

  for (const node of [much, exits]) await local.launcher.remove(node.clusterName)
  for (const node of [much, exits]) await local.until(node, 'absent')
  assert.deepEqual(await readdir(folder.path), [])
})

test('one whose process dies while it is up is coming, then up again at its address', async () => {
  await using folder = await temporaryFolder()
  const templates = fakeTemplates('restart: { first_pause_seconds: 1 }')
  await using local = openLocal(folder.path, crypto.randomUUID(), templates)
  const node = nodeOf(freshName(), 'serves')
  await local.launcher.launch(node, 'unused')
  const before = await local.until(node, 'up')
  const [pid] = await membersOf(folder.path, node.clusterName)
  process.kill(pid ?? 0, 'SIGKILL')
  await local.until(node, 'coming')
  assert.deepEqual(await local.until(node, 'up'), before)
})

test('what ignores the order to stop is going until it has been killed', async () => {
  await using folder = await temporaryFolder()
  await using local = openLocal(folder.path, crypto.randomUUID())
  const node = nodeOf(freshName(), 'ignores-sigterm')
  await local.launcher.launch(node, 'unused')
  await local.until(node, 'up')
  const [pid] = await membersOf(folder.path, node.clusterName)
  await local.launcher.remove(node.clusterName)
  assert.deepEqual(await local.stateOf(node), { state: 'going' })
  // It is not there to be launched: nothing comes of asking.
  await local.launcher.launch(node, 'unused')
  await local.until(node, 'absent')
  assert.equal(await isAlive(pid ?? 0), false)
})

test('a launcher that is disposed of in the middle of a removal leaves it to its successor', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'ignores-sigterm')
  const first = openLocal(folder.path, installation)
  await first.launcher.launch(node, 'unused')
  await first.until(node, 'up')
  await first.launcher.remove(node.clusterName)
  await first.launcher[Symbol.asyncDispose]()
  await assert.rejects(first.launcher.look([node]), /has been closed/)
  assert.equal((await membersOf(folder.path, node.clusterName)).length, 1)

  await using second = openLocal(folder.path, installation)
  assert.deepEqual(await second.stateOf(node), { state: 'going' })
  await second.until(node, 'absent')
  assert.deepEqual(livingNodes(installation), [])
  // Its logs are left, and told of: whoever looks after machines that nobody knows has them removed.
  assert.deepEqual(await second.launcher.machines(installation), [node.clusterName])
  await second.launcher.remove(node.clusterName)
  await eventually('its logs are gone', async () => (await readdir(folder.path)).length === 0)
})

test('a node goes on serving though its template was changed so that it could not be launched', async () => {
  await using folder = await temporaryFolder()
  const installation = crypto.randomUUID()
  const node = nodeOf(freshName(), 'serves')
  const first = openLocal(folder.path, installation)
  await first.launcher.launch(node, 'unused')
  const before = await first.until(node, 'up')
  await first.launcher[Symbol.asyncDispose]()

  await using second = openLocal(folder.path, installation, new Map())
  assert.deepEqual(await second.stateOf(node), before)
  assert.deepEqual(await second.stateOf(node), before)
  assert.equal(second.log.filter((line) => line.includes('local_node_not_adopted')).length, 1)
  const [pid] = await membersOf(folder.path, node.clusterName)
  process.kill(pid ?? 0, 'SIGKILL')
  const { kind, reason } = await second.until(node, 'failed')
  assert.deepEqual([kind, reason], ['refused', "there is no launch template for the engine 'serves'"])
  await second.launcher.remove(node.clusterName)
  await second.until(node, 'absent')
  assert.deepEqual(await readdir(join(folder.path)), [])
})
