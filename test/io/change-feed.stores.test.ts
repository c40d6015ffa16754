import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiKeyDigest } from '../../src/core/api-key.js'
import { changesSince, pruneChanges, readVersion, recentChanges } from '../../src/io/changes.js'
import { transaction } from '../../src/io/postgres.js'
import { loadSnapshot } from '../../src/io/snapshot-load.js'
import { uuidv7 } from 'uuidv7'
import { modelBody, nodeBody, startContractPort, tenantBody } from '../support/contract-port.js'
import { findKey } from '../support/find-key.js'

test('each change says what it makes stale', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const after = async (work: () => Promise<unknown>) => {
    const version = await readVersion(postgres)
    await work()
    const { catalogue, keyDigests, tenantIds, complete } = await changesSince(postgres, version)
    assert.equal(complete, true)
    return { catalogue, keyDigests, tenantIds }
  }
  const nothing = { catalogue: false, keyDigests: [], tenantIds: [] }

  const tenant = await port.send('POST', '/admin/tenants', tenantBody())
  const id = tenant.body['tenant']?.['id'] ?? ''
  const digest = apiKeyDigest(tenant.body['api_key'] ?? '')
  const path = `/admin/tenants/${id}`
  const keyId = (await port.send('GET', `${path}/api-keys`)).body['data']?.[0]?.['id']

  assert.deepEqual(await after(() => port.send('POST', `${path}/suspend`)), { ...nothing, tenantIds: [id] })
  const revoke = () => port.send('DELETE', `${path}/api-keys/${keyId}`)
  assert.deepEqual(await after(revoke), { ...nothing, keyDigests: [digest] })
  assert.deepEqual(await after(revoke), nothing)
  assert.deepEqual(await after(() => postgres.query('UPDATE api_keys SET last_used_at = now()')), nothing)
  // A tenant's tier is in its cached keys.
  assert.deepEqual(await after(() => port.send('PATCH', path, { tier: 'enterprise' })), {
    ...nothing,
    tenantIds: [id],
  })
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  await port.send('POST', '/admin/models', modelBody({ name: 'other' }))
  const modelPath = `/admin/models/${model.body['id']}`
  for (const work of [
    () => port.send('PATCH', modelPath, { aliases: ['x', 'y', 'z'] }),
    () => port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'n-1' })),
    () => port.send('POST', '/admin/nodes/n-1/drain'),
    () => port.send('PUT', `/admin/routes/${model.body['id']}`, { strategy: 'weighted' }),
    () => port.send('PUT', `/admin/routes/${model.body['id']}`, { fallback_models: ['other'], retry: {} }),
  ]) {
    const version = await readVersion(postgres)
    assert.deepEqual(await after(work), { ...nothing, catalogue: true })
    assert.equal(await readVersion(postgres), version + 1)
  }
  assert.deepEqual(await after(() => port.send('PATCH', path, { allowed_models: ['m'] })), {
    ...nothing,
    tenantIds: [id],
  })
  // Cached keys of the tenant hold the model's name.
  const renamed = await after(() => port.send('PATCH', modelPath, { name: 'renamed' }))
  assert.deepEqual(renamed, { catalogue: true, keyDigests: [], tenantIds: [id] })
})

test('what a deployment is about to bring is in the snapshot, what only the autoscaler notes changes nothing', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const id = uuidv7()
  const set = async (sets: string) => {
    const version = await readVersion(postgres)
    await postgres.query(`UPDATE deployments SET ${sets}`)
    return (await changesSince(postgres, version)).catalogue
  }
  const seen = async () => (await loadSnapshot(postgres)).deployments

  const before = await readVersion(postgres)
  await postgres.query(
    "INSERT INTO deployments (id, model_id, provider, target_node_count, status) VALUES ($1, $2, 'local', 0, 'active')",
    [id, model.body['id']],
  )
  assert.equal((await changesSince(postgres, before)).catalogue, true)
  assert.equal(await set("scaling = '{}', retry = '{}', shortage = '{}', version = version + 1"), false)
  const past = [{ atMs: 1_000, tookMs: 2_000 }]
  assert.equal(await set(`asleep = true, launches = '${JSON.stringify(past)}'`), true)
  const deployment = { id, modelId: model.body['id'], status: 'active', asleep: true, wanted: 0 }
  assert.deepEqual(await seen(), [
    { ...deployment, serving: 0, launchingSinceMs: null, failing: null, launches: past },
  ])

  assert.equal(await set('asleep = false, target_node_count = 2, launches = \'"?"\''), true)
  await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'up' }))
  await postgres.query('UPDATE nodes SET deployment_id = $1', [id])
  for (const [name, age] of [
    ['old', '90 s'],
    ['new', '10 s'],
  ]) {
    await postgres.query(
      `INSERT INTO nodes (id, cluster_name, model_id, deployment_id, provider, upstream_model, engine, status, created_at)
       SELECT gen_random_uuid(), $1, model_id, deployment_id, 'local', 'm', 'vllm', 'launching', now() - $2::interval FROM nodes
       WHERE cluster_name = 'up'`,
      [name, age],
    )
  }
  const [launching] = await seen()
  const { launchingSinceMs, ...rest } = launching ?? { launchingSinceMs: null }
  assert.deepEqual(rest, { ...deployment, asleep: false, wanted: 2, serving: 1, failing: null, launches: [] })
  const ageMs = Date.now() - (launchingSinceMs ?? 0)
  assert.ok(ageMs >= 90_000 && ageMs < 300_000, `${ageMs} ms`)

  // Nothing is launched for a node that is drained by hand, but for one whose machine goes.
  await postgres.query("UPDATE nodes SET status = 'draining' WHERE cluster_name = 'up'")
  assert.equal((await seen())[0]?.serving, 1)
  await postgres.query("UPDATE nodes SET terminates_at = now() WHERE cluster_name = 'up'")
  assert.equal((await seen())[0]?.serving, 0)

  const times = { sinceMs: 5_000, failedAtMs: 8_000, retryAtMs: 9_000 }
  const retry = { ...times, failures: 1, counted: 0, kind: 'no_capacity', reason: 'full', lost: false }
  await postgres.query('UPDATE deployments SET retry = $1', [JSON.stringify(retry)])
  assert.deepEqual((await seen())[0]?.failing, { sinceMs: 5_000, retryAtMs: 9_000 })
  // One that has its nodes lacks none, whatever failed before.
  await postgres.query('UPDATE deployments SET target_node_count = 0')
  assert.equal((await seen())[0]?.failing, null)

  assert.equal(await set("status = 'terminated'"), true)
  assert.deepEqual(await seen(), [])
})

test('a change that is rolled back leaves no trace', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  await port.send('POST', '/admin/models', modelBody())
  const version = await readVersion(postgres)
  await assert.rejects(
    transaction(postgres, async (client) => {
      await client.query("UPDATE models SET family = 'other'")
      throw new Error('no')
    }),
  )
  assert.equal(await readVersion(postgres), version)
})

test('versions have no gaps in the order of commits, however many change at once', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const seen = { version: await readVersion(postgres), digests: new Set<string>() }
  let writing = true
  const follow = async () => {
    // What a proxy does: if a commit could become visible behind a version that was read already, it would be missed.
    for (let last = false; !last;) {
      last = !writing
      const changes = await changesSince(postgres, seen.version)
      assert.equal(changes.complete, true)
      for (const digest of changes.keyDigests) seen.digests.add(digest.toString('hex'))
      seen.version = changes.version
    }
  }
  const following = follow()
  const created = await Promise.all(
    Array.from({ length: 60 }, () => port.send('POST', '/admin/tenants', tenantBody())),
  )
  writing = false
  await following
  assert.ok(created.every(({ status }) => status === 201))
  const digests = created.map(({ body }) => apiKeyDigest(body['api_key'] ?? '').toString('hex'))
  assert.deepEqual([...seen.digests].sort(), digests.sort())
})

test('a key, a snapshot and the change that concerns them carry comparable versions', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const digest = apiKeyDigest(body['api_key'] ?? '')
  const before = await findKey(postgres, digest)
  await port.send('POST', `/admin/tenants/${body['tenant']?.['id']}/suspend`)
  const { version } = await changesSince(postgres, before?.version ?? -1)
  assert.ok(before && before.version < version)
  assert.equal(before.tier, 'pro')
  assert.equal((await findKey(postgres, digest))?.version, version)
  assert.equal((await loadSnapshot(postgres)).version, version)
})

test('a log that does not reach back far enough, and a database that was restored, are told', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  for (const _ of [1, 2, 3]) await port.send('POST', '/admin/models', modelBody())
  assert.equal((await changesSince(postgres, 0)).complete, true)
  assert.equal((await changesSince(postgres, 3)).complete, true)
  assert.equal((await changesSince(postgres, 7)).complete, false)
  await postgres.query("UPDATE change_log SET at = now() - interval '2 hours' WHERE version = 1")
  await pruneChanges(postgres, 3600)
  assert.equal((await changesSince(postgres, 0)).complete, false)
  assert.equal((await changesSince(postgres, 1)).complete, true)
  await postgres.query("UPDATE change_log SET at = now() - interval '11 minutes'")
  assert.equal((await recentChanges(postgres, 600)).catalogue, false)
  await port.send('POST', '/admin/models', modelBody())
  const recent = await recentChanges(postgres, 600)
  assert.deepEqual([recent.catalogue, recent.version], [true, 4])
})

test('a restart of the follower from nothing is never complete', async () => {
  await using port = await startContractPort()
  assert.equal((await changesSince(port.database.postgres, -1)).complete, false)
})
