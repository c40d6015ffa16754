import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { request } from 'undici'
import type { Machine } from '../../../src/core/machine.js'
import { NODE_AGENT } from '../../support/node-agent.js'
import { startPlainServer } from '../../support/plain-server.js'
import { eventually } from '../../support/processes.js'
import { launcherOf, looksUntil, nodeToLaunch, NODE_TOKEN } from '../../support/skypilot/launcher.js'
import { API_KEY } from '../../support/skypilot/tasks.js'
import { startSkyPilotProcess } from '../../support/skypilot-process.js'

/** As much of a control plane as an agent needs. */
async function startControl() {
  const said: { path: string; token: string | undefined; body: string }[] = []
  let status = 'active'
  const server = await startPlainServer((incoming, response) => {
    const path = incoming.url ?? ''
    if (path === '/node-agent.py') {
      response.end(readFileSync(NODE_AGENT))
      return
    }
    let body = ''
    incoming.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    incoming.on('end', () => {
      said.push({ path, token: incoming.headers.authorization, body })
      if (path.endsWith('/termination-warning')) status = 'draining'
      response.end(JSON.stringify({ status }))
    })
  })
  const find = (verb: string) => said.find(({ path }) => path.endsWith(`/${verb}`))
  return {
    url: server.url,
    /** What the agent of a node said first by a verb. */
    async heard(verb: string): Promise<{ token: string | undefined; body: Record<string, unknown> }> {
      await eventually(`the agent says ${verb}`, () => find(verb) !== undefined, 60_000)
      const call = find(verb)
      assert.ok(call !== undefined)
      const body: unknown = JSON.parse(call.body)
      assert.ok(body !== null && typeof body === 'object')
      return { token: call.token, body: { ...body } }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function launched(change: Partial<Machine> = {}, minuteMs?: number) {
  const control = await startControl()
  const server = await startSkyPilotProcess(minuteMs === undefined ? {} : { minuteMs })
  const launcher = await launcherOf(server, { controlUrl: control.url })
  const node = nodeToLaunch(change)
  await launcher.launch(node, NODE_TOKEN)
  return {
    control,
    server,
    launcher,
    node,
    async [Symbol.asyncDispose]() {
      await launcher[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await control[Symbol.asyncDispose]()
    },
  }
}

async function models(url: unknown): Promise<string> {
  const headers = { authorization: `Bearer ${API_KEY}` }
  return await (await request(`${String(url)}/v1/models`, { headers })).body.text()
}

const isGone = (url: unknown) =>
  eventually(
    'the engine is gone',
    () =>
      models(url).then(
        () => false,
        () => true,
      ),
    60_000,
  )

for (const engine of ['simulated', 'vllm', 'sglang'] as const) {
  test(`a launched ${engine} serves, its agent registers it with its own token, and its end leaves nothing`, async () => {
    await using all = await launched({ engine })
    const { control, server, launcher, node } = all
    const { token, body } = await control.heard('register')
    assert.equal(token, `Bearer ${NODE_TOKEN}`)
    assert.match(await models(body['endpoint_url']), /sim-8b/)
    await looksUntil(launcher, node, 'up')
    await control.heard('heartbeat')
    await eventually('its log says registered', async () =>
      (await launcher.lastLines(node.clusterName, 50)).join('\n').includes('"event": "registered"'),
    )
    const counted = { launches: { [node.clusterName]: 1 }, started: { [node.clusterName]: 1 } }
    assert.deepEqual(await server.counts(), { ...counted, alive: [node.clusterName] })

    await launcher.remove(node.clusterName)
    await looksUntil(launcher, node, 'absent')
    await isGone(body['endpoint_url'])
    assert.deepEqual(await server.counts(), { ...counted, alive: [] })
  })
}

test('a machine that will be taken has its agent warn of it, and goes', async () => {
  await using all = await launched()
  const { control, server, launcher, node } = all
  const { body } = await control.heard('register')
  await looksUntil(launcher, node, 'up')
  await server.preempt(node.clusterName, 20_000)
  const warning = await control.heard('termination-warning')
  assert.match(String(warning.body['reason']), /aws spot terminate/)
  await isGone(body['endpoint_url'])
  await looksUntil(launcher, node, 'absent')
})

test('a machine that is taken without a notice ends at once, and is seen to be gone', async () => {
  await using all = await launched()
  const { control, server, launcher, node } = all
  const { body } = await control.heard('register')
  await looksUntil(launcher, node, 'up')
  await server.preempt(node.clusterName, null)
  await assert.rejects(models(body['endpoint_url']))
  await looksUntil(launcher, node, 'absent')
})

test('a machine whose engine has crashed goes after its idle minutes', async () => {
  await using all = await launched({}, 50)
  const { control, server, launcher, node } = all
  await control.heard('register')
  await looksUntil(launcher, node, 'up')
  await server.crash(node.clusterName)
  await looksUntil(launcher, node, 'absent')
  assert.deepEqual((await server.counts()).alive, [])
})

test('machines end with the server, even when it is killed', async () => {
  await using all = await launched()
  const { body } = await all.control.heard('register')
  process.kill(all.server.pid, 'SIGKILL')
  await isGone(body['endpoint_url'])
})
