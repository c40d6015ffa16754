import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transaction } from '../../../src/io/postgres.js'
import { rememberFailure, rememberSuccess } from '../../../src/workers/orchestration/launch-memory.js'
import { reconcileDeployment } from '../../../src/workers/orchestration/reconcile-deployment.js'
import { launchingBy } from '../../../src/workers/launchers/launching.js'
import { readTemplateFiles } from '../../../src/workers/launchers/launch-templates.js'
import { modelBody, startContractPort } from '../../support/contract-port.js'

test('the key of a planned node can stand as an argument of a command', async () => {
  await using port = await startContractPort({ launching: { launcherFor: () => 'local' } })
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const body = { model_name: 'm', node_count: 3, provider: 'local', engine: 'simulated' } as const
  await port.client.deployments.create({ body })
  const { rows } = await port.database.postgres.query<{ api_key: string }>('SELECT api_key FROM nodes')
  assert.equal(rows.length, 3)
  for (const { api_key: key } of rows) assert.match(key, /^[0-9a-f]{48}$/)
})

test('a deployment that was given up goes on when another of its launches has gone through', async () => {
  const launching = launchingBy({ templates: await readTemplateFiles(null), skypilot: false })
  await using port = await startContractPort({ launching })
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const { id } = (
    await port.client.deployments.create({
      body: { model_name: 'm', node_count: 2, provider: 'local', engine: 'simulated' },
    })
  ).body
  const { app, postgres } = port.database
  const look = () =>
    transaction(app, (db) =>
      reconcileDeployment(db, id, {
        launching,
        seen: () => null,
        who: 'leader',
        immediate: false,
        now: Date.now(),
      }),
    )
  const deployment = async () => (await port.client.deployments.get({ params: { id } })).body
  const [failed, served] = (
    await postgres.query<{ id: string }>('SELECT id FROM nodes WHERE deployment_id = $1 ORDER BY id', [id])
  ).rows.map((node) => node.id)
  const launch = {
    deploymentId: id,
    market: 'on_demand',
    plannedAtMs: Date.now(),
    nowMs: Date.now(),
  } as const

  await postgres.query(`UPDATE nodes SET status = 'failed' WHERE id = $1`, [failed])
  await transaction(app, (db) => rememberFailure(db, launch, { kind: 'refused', reason: 'it cannot be' }))
  await look()
  assert.equal((await deployment()).status, 'failed')
  assert.match((await deployment()).status_reason ?? '', /given up after a launch: it cannot be/)

  const serve = `UPDATE nodes SET status = 'active', endpoint_url = 'http://127.0.0.1:1' WHERE id = $1`
  await postgres.query(serve, [served])
  await transaction(app, (db) => rememberSuccess(db, launch))
  assert.ok(await look())
  const { status, status_reason: reason } = await deployment()
  assert.deepEqual({ status, reason }, { status: 'scaling', reason: null })
  const { rows } = await postgres.query(`SELECT status FROM nodes WHERE deployment_id = $1 ORDER BY status`, [
    id,
  ])
  assert.deepEqual(rows, [{ status: 'active' }, { status: 'failed' }, { status: 'launching' }])
})
