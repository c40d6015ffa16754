import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { parse } from 'yaml'
import { FREE_FAILURES, MOST_HELD_OF_ONE } from '../../src/admin/failed-attempts.js'
import { mountAdmin } from '../../src/admin/admin-port.js'
import { apiDocuments } from '../../src/io/api-documents.js'
import { adminTokenDigest, generateAdminToken } from '../../src/core/admin-token.js'
import type { ContractTask } from '../../src/core/contract/task.js'
import { createHttpApp } from '../../src/io/uws.js'
import { NODE_AGENT } from '../support/node-agent.js'
import { openRawClient } from '../support/raw-client.js'

const NAMED = generateAdminToken(Buffer.alloc(32, 1))
/** Failures beyond the free ones whose answers are held for two seconds at most. */
const SHORTLY_HELD = 4
const UNKNOWN = generateAdminToken(Buffer.alloc(32, 2))

async function startAdmin() {
  const tasks: ContractTask[] = []
  const logged: unknown[] = []
  let changes = 0
  let lookUps = 0
  let failures = 0
  const app = createHttpApp({
    onError: (error) => {
      throw error
    },
  })
  mountAdmin(app, {
    adminToken: 'the-root-token',
    findToken: (digest) => {
      lookUps++
      return Promise.resolve(adminTokenDigest(NAMED).equals(digest) ? { name: 'ci', scope: 'read' } : null)
    },
    onAuthFailure: () => failures++,
    logger: { warn: (line: unknown) => logged.push(line) },
    readiness: () => ({ status: 'ready', parts: {} }),
    metrics: () => Promise.resolve('up 1\n'),
    runTask: (task) => {
      tasks.push(task)
      return Promise.resolve({ status: 200, etag: null, body: new TextEncoder().encode('{"data":[]}') })
    },
    describe: () => Promise.resolve(apiDocuments('admin', null)),
    askProcesses: () => Promise.resolve({ processes: [], latencyMs: 0 }),
    afterChange: () => changes++,
    onFailure: (error) => {
      throw error
    },
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`
  return {
    url,
    tasks,
    logged,
    changes: () => changes,
    lookUps: () => lookUps,
    failures: () => failures,
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

test('only what has the shape of a named token is looked up, and it acts under its name and scope', async () => {
  using admin = await startAdmin()
  const send = (token: string, method = 'GET') =>
    fetch(`${admin.url}/admin/tenants`, { method, headers: { 'x-admin-token': token } })
  assert.equal((await send('the-root-token')).status, 200)
  assert.equal((await send(`${NAMED.slice(0, -1)}~`)).status, 401)
  assert.equal(admin.lookUps(), 0)
  assert.equal((await send(NAMED)).status, 200)
  assert.equal((await send(UNKNOWN)).status, 401)
  assert.equal(admin.lookUps(), 2)
  assert.deepEqual(admin.tasks[1]?.actor, { kind: 'admin', name: 'ci', scope: 'read' })
  assert.equal((await send(NAMED, 'POST')).status, 403)
  assert.equal(admin.tasks.length, 2)
})

test('answers to many wrong tokens are held back, those to right ones never, and each failure is counted', async () => {
  using admin = await startAdmin()
  const send = (token: string) => fetch(`${admin.url}/admin/tenants`, { headers: { 'x-admin-token': token } })
  const answered: string[] = []
  const note = (name: string) => async (reply: Promise<Response>) => {
    const { status } = await reply
    answered.push(`${name} ${status}`)
  }
  for (let n = 0; n < FREE_FAILURES; n++) await note('free')(send('guess'))
  // Each waits longer than the one before: the next ones for seconds.
  await Promise.all(Array.from({ length: SHORTLY_HELD }, () => send('guess')))
  const held = [note('held')(send('guess')), note('held')(send(UNKNOWN))]
  while (admin.failures() < FREE_FAILURES + SHORTLY_HELD + 2) await setImmediate()
  // Both are known to be wrong by now, and nothing has been said.
  await note('root')(send('the-root-token'))
  await note('named')(send(NAMED))
  await Promise.all(held)
  assert.deepEqual(answered, [
    ...Array<string>(FREE_FAILURES).fill('free 401'),
    'root 200',
    'named 200',
    'held 401',
    'held 401',
  ])
  assert.ok(admin.logged.length < 9, 'each is logged, rather than one a second')
  assert.deepEqual(admin.logged[0], {
    event: 'admin_auth_failed',
    address: '127.0.0.1',
    path: '/admin/tenants',
    unlogged: 0,
  })
})

test('a forwarded address is not believed, and a caller who leaves gives up the place that is held', async () => {
  using admin = await startAdmin()
  const send = (n: number) =>
    fetch(`${admin.url}/admin/tenants`, {
      headers: { 'x-admin-token': 'guess', 'x-forwarded-for': `10.0.0.${n}` },
    })
  await Promise.all(Array.from({ length: FREE_FAILURES + SHORTLY_HELD }, (_, n) => send(n)))
  const clients = Array.from({ length: MOST_HELD_OF_ONE }, async () => {
    const client = await openRawClient(Number(new URL(admin.url).port))
    client.send('GET /admin/tenants HTTP/1.1\r\nhost: x\r\nx-admin-token: guess\r\n\r\n')
    return client
  })
  const opened = await Promise.all(clients)
  while (admin.failures() < FREE_FAILURES + SHORTLY_HELD + MOST_HELD_OF_ONE) await setImmediate()
  await assert.rejects(send(99), 'one more is not answered at all')
  for (const client of opened) {
    assert.equal(client.received().length, 0)
    client[Symbol.dispose]()
  }
  // Once they are gone, answers can be held again.
  const again = async (): Promise<Response> => send(1).catch(async () => again())
  assert.equal((await again()).status, 401)
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
    '/node-agent.py',
  ]) {
    assert.equal((await fetch(admin.url + path)).status, 200, path)
  }
  const json: unknown = await (await fetch(`${admin.url}/openapi.json`)).json()
  const yaml: unknown = parse(await (await fetch(`${admin.url}/api/v1/admin/openapi.yaml`)).text())
  assert.deepEqual(yaml, json)
})

test('machines load the node agent as it is, with its digest, without a token', async () => {
  using admin = await startAdmin()
  const reply = await fetch(`${admin.url}/node-agent.py`)
  const served = Buffer.from(await reply.arrayBuffer())
  assert.deepEqual(served, await readFile(NODE_AGENT))
  assert.equal(reply.headers.get('etag'), `"${createHash('sha256').update(served).digest('hex')}"`)
  assert.match(reply.headers.get('content-type') ?? '', /^text\/x-python/)
  assert.equal((await fetch(`${admin.url}/node-agent.py`, { method: 'POST' })).status, 405)
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
