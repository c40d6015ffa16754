import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { adminTokenDigest, generateAdminToken } from '../../src/core/admin-token.js'
import type { ContractTask } from '../../src/core/contract/task.js'
import { GatewayError } from '../../src/core/errors.js'
import { apiDocuments } from '../../src/io/api-documents.js'
import { readTemplateFiles } from '../../src/workers/launchers/launch-templates.js'
import { startWorkerPool, type WorkerPool } from '../../src/workers/pool.js'
import { modelBody, nodeBody, startContractPort, tenantBody } from '../support/contract-port.js'
import { holdStore } from '../support/held-store.js'
import { launchedNode } from '../support/launched-node.js'
import { migratedDatabase } from '../support/migrated-database.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const list: ContractTask = {
  endpointId: 'tenants.list',
  params: {},
  query: '',
  body: new Uint8Array(),
  actor: { kind: 'admin', name: 'root', scope: 'admin' },
  ifMatch: null,
  requestId: crypto.randomUUID(),
  remoteAddress: '127.0.0.1',
  idempotency: null,
}
const settingsOf = (databaseUrl: string) => ({
  databaseUrl,
  clickhouseUrl: 'http://127.0.0.1:9',
  redisUrl: null,
  launching: null,
})

test('a thread derives the API reference of a port', async () => {
  await using pool = startWorkerPool({ settings: settingsOf('postgres://127.0.0.1:9/none') })
  for (const port of ['admin', 'tenant'] as const) {
    const serverUrl = port === 'tenant' ? 'https://gateway.example' : null
    assert.deepEqual(await pool.describe({ port, serverUrl }), apiDocuments(port, serverUrl))
  }
})

test('calls over a port are answered by worker threads', async () => {
  const pools: WorkerPool[] = []
  const port = await startContractPort({
    runTask: (database) => {
      const pool = startWorkerPool({ settings: settingsOf(database.appUrl) })
      pools.push(pool)
      return (task) => pool.run(task)
    },
  })
  try {
    const created = await Promise.all(
      Array.from({ length: 20 }, () => port.send('POST', '/admin/tenants', tenantBody())),
    )
    assert.ok(created.every(({ status }) => status === 201))
    assert.equal((await port.send('GET', '/admin/tenants')).body['pagination']?.['total'], 20)
    assert.equal((await port.send('POST', '/admin/tenants', { name: 'x' })).status, 400)
    const { id, name, headers } = await launchedNode(port)
    const address = { endpoint_url: 'http://127.0.0.1:8000' }
    assert.equal((await port.send('POST', `/admin/nodes/${id}/register`, address, headers)).status, 200)
    const events = await port.send('GET', `/admin/nodes/${name}/logs/stream?follow=false`)
    assert.match(events.body, /^id: \d+\nevent: registered\ndata: \{/)
    assert.deepEqual(port.failures, [])
  } finally {
    for (const pool of pools) await pool[Symbol.asyncDispose]()
    await port[Symbol.asyncDispose]()
  }
})

test('worker threads launch by the templates that they are given, whatever became of the files', async () => {
  const folder = await temporaryFolder()
  await writeFile(
    join(folder.path, 'mine.yaml'),
    'engine: mine\ncommand: [mine]\nreadiness: { path: /health, timeout_seconds: 5 }\n',
  )
  const templates = await readTemplateFiles(folder.path)
  await folder[Symbol.asyncDispose]()
  await using database = await migratedDatabase()
  const settings = { ...settingsOf(database.appUrl), launching: { templates, skypilot: false } }
  await using pool = startWorkerPool({ settings })
  await using port = await startContractPort({ runTask: () => (task) => pool.run(task) })
  const { name } = (await port.send('POST', '/admin/models', modelBody())).body
  const launch = (engine: string) =>
    port.send('POST', '/admin/nodes/launch', { model_name: name, provider: 'local', engine })
  assert.deepEqual([(await launch('mine')).status, (await launch('yours')).status], [202, 404])
})

test('more calls than may wait are refused as overloaded, the others are answered', async () => {
  await using database = await migratedDatabase()
  await using pool = startWorkerPool({ settings: settingsOf(database.appUrl), maxThreads: 1, maxQueue: 5 })
  const results = await Promise.allSettled(Array.from({ length: 50 }, () => pool.run(list)))
  const refused = results.filter((result) => result.status === 'rejected')
  assert.ok(refused.length > 0 && refused.length < 50)
  for (const { reason } of refused) assert.ok(reason instanceof GatewayError && reason.code === 'overloaded')
  for (const result of results) {
    if (result.status === 'fulfilled') assert.ok('body' in result.value && result.value.status === 200)
  }
})

test('closing lets calls under way finish', async () => {
  await using database = await migratedDatabase()
  const pool = startWorkerPool({ settings: settingsOf(database.appUrl), maxThreads: 1 })
  const calls = [pool.run(list), pool.run(list)]
  await pool[Symbol.asyncDispose]()
  for (const reply of await Promise.all(calls)) assert.ok('body' in reply)
})

test('as many changes at once as a thread has connections do not starve each other', async () => {
  const pools: WorkerPool[] = []
  const port = await startContractPort({
    runTask: (database) => {
      const pool = startWorkerPool({ settings: settingsOf(database.appUrl), maxThreads: 1 })
      pools.push(pool)
      return (task) => pool.run(task)
    },
  })
  try {
    await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
    const names = Array.from({ length: 12 }, (_, index) => `n-${index}`)
    await Promise.all(
      names.map((cluster_name) => port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name }))),
    )
    const replies = await Promise.all(names.map((name) => port.send('POST', `/admin/nodes/${name}/drain`)))
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
  } finally {
    for (const pool of pools) await pool[Symbol.asyncDispose]()
    await port[Symbol.asyncDispose]()
  }
})

test('while ClickHouse hangs reports are refused within seconds, and calls that do not need it are answered', async () => {
  await using folder = await temporaryFolder()
  await using database = await migratedDatabase()
  const clickhouse = await holdStore('clickhouse', join(folder.path, 'clickhouse'))
  // Who holds it would otherwise start it anew.
  for (const pid of [clickhouse.holderPid, clickhouse.pid]) process.kill(pid, 'SIGSTOP')
  try {
    const settings = { ...settingsOf(database.appUrl), clickhouseUrl: clickhouse.url }
    await using pool = startWorkerPool({ settings, maxThreads: 1 })
    const id = crypto.randomUUID()
    const actor = { kind: 'key', keyId: id, environmentId: id, tenantId: id, role: 'read-only' } as const
    const reports = ['usage.get', 'usage.by-model', 'metrics.latency'].flatMap((endpointId) =>
      Array.from({ length: 20 }, () => pool.run({ ...list, endpointId, actor })),
    )
    const others = Array.from({ length: 20 }, () => pool.run(list))
    for (const reply of await Promise.all(reports)) {
      assert.ok('error' in reply)
      assert.equal(reply.error, 'overloaded')
    }
    for (const reply of await Promise.all(others)) assert.ok('body' in reply)
    const again = await pool.run({ ...list, endpointId: 'usage.get', actor })
    assert.ok('error' in again && again.error === 'overloaded')
  } finally {
    for (const pid of [clickhouse.holderPid, clickhouse.pid]) process.kill(pid, 'SIGKILL')
  }
})

test('a named admin token is found by its digest in a worker thread, and a database that is away is a 503', async () => {
  await using database = await migratedDatabase()
  const token = generateAdminToken(Buffer.alloc(32, 5))
  await database.postgres.query(
    "INSERT INTO admin_tokens (id, name, digest, prefix, scope) VALUES (gen_random_uuid(), 'ci', $1, 'clat_', 'operate')",
    [adminTokenDigest(token)],
  )
  await using pool = startWorkerPool({ settings: settingsOf(database.appUrl), maxThreads: 1 })
  // A look-up is given seconds, which the start of its thread may take.
  assert.ok('body' in (await pool.run(list)))
  assert.deepEqual(await pool.findAdminToken(adminTokenDigest(token)), { name: 'ci', scope: 'operate' })
  assert.equal(await pool.findAdminToken(adminTokenDigest('other')), null)
  await using away = startWorkerPool({
    settings: settingsOf('postgres://nobody@127.0.0.1:9/none'),
    maxThreads: 1,
  })
  await assert.rejects(
    away.findAdminToken(adminTokenDigest(token)),
    (error: unknown) => error instanceof GatewayError && error.code === 'overloaded',
  )
})
