import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parse } from 'yaml'
import { mountAdmin } from '../../src/admin/admin-port.js'
import type { ContractTask } from '../../src/core/contract/task.js'
import { createHttpApp } from '../../src/io/uws.js'

async function startAdmin() {
  const tasks: ContractTask[] = []
  let changes = 0
  const app = createHttpApp({
    onError: (error) => {
      throw error
    },
  })
  mountAdmin(app, {
    adminToken: 'the-root-token',
    readiness: () => ({ status: 'ready', parts: {} }),
    metrics: () => Promise.resolve('up 1\n'),
    runTask: (task) => {
      tasks.push(task)
      return Promise.resolve({ status: 200, etag: null, body: new TextEncoder().encode('{"data":[]}') })
    },
    afterChange: () => changes++,
    onFailure: (error) => {
      throw error
    },
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`
  return {
    url,
    tasks,
    changes: () => changes,
    [Symbol.dispose]() {
      app.close()
    },
  }
}

test('the token opens the admin API, a part or more of it does not', async () => {
  using admin = await startAdmin()
  const status = async (token: string) =>
    (await fetch(`${admin.url}/admin/tenants`, { headers: { 'x-admin-token': token } })).status
  assert.equal(await status('the-root-token'), 200)
  for (const token of ['', 'the-root-toke', 'the-root-token1', 'The-root-token']) {
    assert.equal(await status(token), 401)
  }
  assert.equal(admin.tasks.length, 1)
  const [task] = admin.tasks
  assert.deepEqual(task?.actor, { kind: 'admin', name: 'root', scope: 'admin' })
  assert.equal(task.endpointId, 'tenants.list')
})

test('a change is announced, a read is not', async () => {
  using admin = await startAdmin()
  const headers = { 'x-admin-token': 'the-root-token' }
  await fetch(`${admin.url}/admin/tenants?limit=1`, { headers })
  assert.equal(admin.changes(), 0)
  await fetch(`${admin.url}/admin/tenants`, { method: 'POST', headers, body: '{}' })
  assert.equal(admin.changes(), 1)
  assert.equal(admin.tasks[0]?.query, 'limit=1')
  assert.equal(Buffer.from(admin.tasks[1]?.body ?? []).toString(), '{}')
})

test("a node's agent comes by its own token, and its heartbeats are not announced", async () => {
  using admin = await startAdmin()
  const id = crypto.randomUUID()
  const send = (verb: string, headers: Record<string, string>) =>
    fetch(`${admin.url}/admin/nodes/${id}/${verb}`, { method: 'POST', headers, body: '{}' })
  const token = { authorization: 'Bearer node-token' }
  await send('heartbeat', token)
  assert.equal(admin.changes(), 0)
  await send('register', token)
  assert.equal(admin.changes(), 1)
  // Which is no proof: whom the worker asks for is the node, not the administrator.
  await send('register', { 'x-admin-token': 'the-root-token' })
  const digest = (text: string) => createHash('sha256').update(text).digest()
  assert.deepEqual(
    admin.tasks.map(({ actor }) => actor),
    ['node-token', 'node-token', ''].map((text) => ({ kind: 'node', nodeId: id, tokenDigest: digest(text) })),
  )
  assert.equal((await fetch(`${admin.url}/admin/nodes`, { headers: token })).status, 401)
})

test('probes, metrics and the reference need no token', async () => {
  using admin = await startAdmin()
  for (const path of [
    '/health',
    '/ready',
    '/metrics',
    '/openapi.json',
    '/api/v1/admin/openapi.yaml',
    '/api-docs',
  ]) {
    assert.equal((await fetch(admin.url + path)).status, 200, path)
  }
  const json: unknown = await (await fetch(`${admin.url}/openapi.json`)).json()
  const yaml: unknown = parse(await (await fetch(`${admin.url}/api/v1/admin/openapi.yaml`)).text())
  assert.deepEqual(yaml, json)
})

test('the reference page loads everything from its own port', async () => {
  using admin = await startAdmin()
  const page = await fetch(`${admin.url}/api-docs`)
  const html = await page.text()
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  const links = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? '')
  assert.ok(links.length >= 3)
  for (const link of links) {
    assert.ok(link.startsWith('/'), link)
    const asset = await fetch(admin.url + link)
    assert.equal(asset.status, 200, link)
    assert.ok((await asset.arrayBuffer()).byteLength > 0)
  }
  assert.doesNotMatch(html, /<script>/)
  for (const path of ['/api-docs/package.json', '/api-docs/..%2fpackage.json', '/api-docs/__proto__']) {
    assert.equal((await fetch(admin.url + path)).status, 404, path)
  }
})
