import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { DOUBT_MS } from '../../../src/core/orchestration/machine-step.js'
import { LaunchError } from '../../../src/workers/launchers/launcher.js'
import { type Fleet, type FleetNode, LAUNCH_TIMEOUT_MS, startFleet } from '../../support/fleet.js'

async function theOnly(fleet: Fleet): Promise<FleetNode> {
  const [node, ...others] = await fleet.nodes()
  assert.ok(node !== undefined && others.length === 0, `${others.length + 1} nodes`)
  return node
}

function jobOf(fleet: Fleet, { job_id: id }: FleetNode) {
  return fleet.show(`/admin/nodes/launch-status?job_id=${id}`)
}

/** What the node's log says, the oldest first. */
async function logOf(fleet: Fleet, { cluster_name: name }: FleetNode): Promise<string[]> {
  const { data } = await fleet.show(`/admin/nodes/${name}/logs`)
  const events = data as unknown as { event: string; status: string; actor: string; message: string | null }[]
  return events.map(({ event, status, actor, message }) => `${event} ${status} ${actor} ${message}`).reverse()
}

test('a planned node is launched with a token, its stages are noted, it is registered, and its launch is through', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 1 })
  const planned = await theOnly(fleet)
  assert.deepEqual([planned.status, planned.is_asked, planned.job], ['launching', false, 'pending'])
  await fleet.tend()
  const { launches, present } = fleet.launcher
  assert.deepEqual(
    launches.map(({ name }) => name),
    [planned.cluster_name],
  )
  const { rows } = await fleet.port.database.postgres.query('SELECT token_digest FROM nodes')
  const digest = createHash('sha256')
    .update(launches[0]?.token ?? '')
    .digest()
  assert.deepEqual(rows, [{ token_digest: digest }])
  await fleet.tend()
  present.set(planned.cluster_name, { state: 'coming', stage: 'model_loading', progress: 80 })
  await fleet.tend()
  await fleet.tend()
  const running = await jobOf(fleet, planned)
  assert.deepEqual(
    [running['status'], running['stage'], running['progress']],
    ['running', 'model_loading', 80],
  )
  present.set(planned.cluster_name, { state: 'up', endpointUrl: 'http://10.0.0.1:8000' })
  await fleet.tend()
  const job = await jobOf(fleet, planned)
  const stages = (job['stages'] as unknown as { stage: string }[]).map(({ stage }) => stage)
  assert.deepEqual(stages, ['queued', 'provisioning', 'model_loading', 'active'])
  assert.deepEqual([job['status'], job['progress'], job['error']], ['succeeded', 100, null])
  assert.equal((await theOnly(fleet)).status, 'active')
  assert.deepEqual(await logOf(fleet, planned), [
    'status launching admin:root its deployment needs it: spot machines are not asked for',
    'registered active leader http://10.0.0.1:8000',
  ])
  await fleet.reconcile()
  assert.equal((await fleet.show(path))['status'], 'active')
  await fleet.tend()
  assert.equal(launches.length, 1)
})

test('a node whose engine was started again at another address is followed there, where no agent says it', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  await fleet.tend()
  fleet.comeUp()
  await fleet.tend()
  const node = await theOnly(fleet)
  const address = async () => (await fleet.show(`/admin/nodes/${node.cluster_name}`))['endpoint_url']
  const before = await address()
  fleet.launcher.present.set(node.cluster_name, { state: 'up', endpointUrl: 'http://10.0.0.9:9000' })
  await fleet.tend()
  assert.equal(await address(), before)
  fleet.launcher.hasAgents = false
  await fleet.tend()
  await fleet.tend()
  assert.equal(await address(), 'http://10.0.0.9:9000')
  assert.deepEqual((await logOf(fleet, node)).slice(-1), ['registered active leader http://10.0.0.9:9000'])
  assert.equal((await logOf(fleet, node)).length, 3)
})

test('a machine that might come up in several places has the price of where it did, once that is settled', async () => {
  await using fleet = await startFleet()
  const { postgres } = fleet.port.database
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  const anywhere = { provider: 'skypilot', regions: [], instanceType: null, gpuType: 'A10G', gpuCount: 1 }
  await postgres.query(
    "UPDATE nodes SET provider = 'skypilot', region = NULL, instance_type_id = NULL, price_per_hour_micros = 7000000, machine = machine || $1",
    [JSON.stringify(anywhere)],
  )
  const seen = async () => {
    const { provider, region, price_per_hour: price } = await fleet.show(`/admin/nodes/${node.cluster_name}`)
    return { provider, region, price }
  }
  await fleet.tend()
  await fleet.tend()
  assert.deepEqual(await seen(), { provider: 'skypilot', region: null, price: 7 })
  const comes = (provider: string, region: string) =>
    fleet.launcher.present.set(node.cluster_name, {
      state: 'coming',
      stage: 'installing',
      progress: 60,
      place: { provider, region },
    })
  comes('aws', 'eu-west-1')
  await fleet.tend()
  const { rows } = await postgres.query<{ dollars: number }>(
    `SELECT round(min(t.price_on_demand_micros) * r.price_multiplier)::float8 / 1e6 AS dollars
     FROM instance_types t JOIN regions r ON r.provider = 'aws' AND r.code = 'eu-west-1'
     WHERE t.provider = 'aws' AND t.gpu_model = 'A10G' AND t.gpu_count = 1 GROUP BY r.price_multiplier`,
  )
  const price = rows[0]?.dollars ?? NaN
  assert.ok(price > 0 && price !== 7)
  assert.deepEqual(await seen(), { provider: 'aws', region: 'eu-west-1', price })
  assert.deepEqual((await logOf(fleet, node)).slice(-1), [
    `changed launching leader in aws/eu-west-1, price_per_hour 7 → ${price}`,
  ])
  // A place is settled once.
  comes('aws', 'us-east-1')
  await fleet.tend()
  assert.deepEqual(await seen(), { provider: 'aws', region: 'eu-west-1', price })
  // What nothing is known of costs nothing that is known.
  await postgres.query('UPDATE nodes SET region = NULL')
  comes('elsewhere', 'moon-1')
  await fleet.tend()
  assert.deepEqual(await seen(), { provider: 'elsewhere', region: 'moon-1', price: null })
})

test('a machine whose address the launcher does not know is registered by its agent, with the token of its launch', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  await fleet.tend()
  fleet.launcher.present.set(node.cluster_name, { state: 'up', endpointUrl: null })
  await fleet.tend()
  assert.equal((await jobOf(fleet, node))['stage'], 'model_loading')
  const headers = { authorization: `Bearer ${fleet.launcher.launches[0]?.token}` }
  const body = { endpoint_url: 'http://10.0.0.1:8000' }
  const registered = await fleet.port.send('POST', `/admin/nodes/${node.id}/register`, body, headers)
  assert.deepEqual([registered.status, registered.body['status']], [200, 'active'])
  await fleet.tend()
  assert.equal((await jobOf(fleet, node))['status'], 'succeeded')
})

test('a launch that is in doubt is not asked for again until nothing more can come of it, then with a new token', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  fleet.launcher.onLaunch = () => new Error('socket hang up')
  await assert.rejects(fleet.tend(), /socket hang up/)
  fleet.launcher.onLaunch = () => ({ state: 'coming', stage: 'provisioning', progress: 10 })
  await fleet.tend()
  assert.equal(fleet.launcher.launches.length, 1)
  assert.equal((await theOnly(fleet)).status, 'launching')
  fleet.pass(DOUBT_MS)
  await fleet.tend()
  assert.equal(fleet.launcher.launches.length, 2)
  const registerWith = (token: string | undefined) =>
    fleet.port.send(
      'POST',
      `/admin/nodes/${node.id}/register`,
      { endpoint_url: 'http://10.0.0.1:8000' },
      { authorization: `Bearer ${token}` },
    )
  const [first, second] = fleet.launcher.launches
  assert.equal((await registerWith(first?.token)).status, 401)
  assert.equal((await registerWith(second?.token)).status, 200)
})

test('two leaders at once launch no node twice', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 8 })
  await Promise.all([fleet.tend(), fleet.tend(), fleet.tend()])
  const names = fleet.launcher.launches.map(({ name }) => name)
  assert.deepEqual([names.length, new Set(names).size], [8, 8])
})

test('a launch that is refused fails with its reason, what is left of it is removed, and its deployment is given up', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  fleet.launcher.onLaunch = () => new LaunchError('refused', 'no such image')
  await fleet.tend()
  const failed = await theOnly(fleet)
  assert.deepEqual([failed.status, failed.job, failed.error], ['failed', 'failed', 'no such image'])
  const job = await jobOf(fleet, node)
  assert.deepEqual([job['status'], job['stage'], job['error']], ['failed', 'failed', 'no such image'])
  await fleet.tend()
  fleet.pass(DOUBT_MS)
  await fleet.tend()
  assert.deepEqual([(await theOnly(fleet)).is_gone, fleet.launcher.removals], [true, [node.cluster_name]])
  for (let look = 0; look < 3; look++) {
    fleet.pass(300_000)
    await fleet.reconcile()
    await fleet.tend()
  }
  const givenUp = await fleet.show(path)
  assert.deepEqual(
    [givenUp['status'], givenUp['status_reason']],
    ['failed', 'given up after a launch: no such image'],
  )
  assert.equal(fleet.launcher.launches.length, 1)

  fleet.launcher.onLaunch = () => ({ state: 'up', endpointUrl: 'http://10.0.0.1:8000' })
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 1 })
  for (let look = 0; look < 4; look++) {
    await fleet.tend()
    await fleet.reconcile()
  }
  const again = await fleet.show(path)
  assert.deepEqual(
    [again['status'], again['status_reason'], Number(again['live_nodes'])],
    ['active', null, 1],
  )
  const { rows } = await fleet.port.database.postgres.query('SELECT retry FROM deployments')
  assert.deepEqual(rows, [{ retry: null }])
})

test('launches that fail are tried again one at a time after growing pauses, and given up after six', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 3 })
  fleet.launcher.onLaunch = () => ({ state: 'failed', kind: 'failed', reason: 'out of memory' })
  const look = async () => {
    await fleet.reconcile()
    await fleet.tend()
    await fleet.tend()
  }
  await look()
  assert.equal(fleet.launcher.launches.length, 3)
  await look()
  assert.equal(fleet.launcher.launches.length, 3, 'not before the pause is over')
  const waits = await fleet.show(path)
  assert.match(
    waits['status_reason'] ?? '',
    /^a launch failed, the next one not before \d.*Z: out of memory$/,
  )
  for (let times = 0; times < 8; times++) {
    fleet.pass(200_000)
    await look()
  }
  assert.equal(fleet.launcher.launches.length, 3 + 5)
  await fleet.reconcile()
  assert.equal((await fleet.show(path))['status_reason'], 'given up after 6 launches: out of memory')
  const kept = (await fleet.nodes()).filter(({ status }) => status === 'failed')
  assert.equal(kept.length, 1, 'the last one stays, to be looked at')
  assert.ok((await fleet.nodes()).every(({ is_gone: gone, status }) => gone || status === 'failed'))
})

test('a launch that takes too long fails, and its machine is removed', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  await fleet.tend()
  fleet.pass(LAUNCH_TIMEOUT_MS)
  fleet.launcher.printed.set(node.cluster_name, ['loading shards', 'no space\0 left on device'])
  await fleet.tend()
  assert.deepEqual(
    [(await theOnly(fleet)).error, fleet.launcher.removals],
    ['it was not up within 1800 s; it printed last: loading shards | no space  left on device', []],
  )
  await fleet.tend()
  assert.deepEqual(fleet.launcher.removals, [node.cluster_name])
})

test('a node that is registered while its launch is given up serves, and its launch is through', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  await fleet.tend()
  fleet.pass(LAUNCH_TIMEOUT_MS)
  fleet.launcher.onLook = async () => {
    const headers = { authorization: `Bearer ${fleet.launcher.launches[0]?.token}` }
    const body = { endpoint_url: 'http://10.0.0.1:8000' }
    await fleet.port.send('POST', `/admin/nodes/${node.id}/register`, body, headers)
  }
  await fleet.tend()
  const after = await theOnly(fleet)
  assert.deepEqual([after.status, after.job, after.error], ['active', 'succeeded', null])
  assert.deepEqual(fleet.launcher.removals, [])
})

test('a node that is terminated before it was asked for is never launched', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  await fleet.port.send('POST', `/admin/nodes/${node.cluster_name}/terminate`)
  await fleet.tend()
  const after = await theOnly(fleet)
  assert.deepEqual([after.status, after.job, after.is_gone], ['terminated', 'cancelled', true])
  assert.deepEqual(fleet.launcher.launches, [])
})

test('a node that is terminated while it is launched: the launch is cancelled, and the machine removed', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  const node = await theOnly(fleet)
  await fleet.tend()
  await fleet.port.send('POST', `/admin/nodes/${node.cluster_name}/terminate`)
  const cancelled = await jobOf(fleet, node)
  assert.deepEqual([cancelled['status'], (await theOnly(fleet)).status], ['cancelled', 'terminating'])
  await fleet.tend()
  assert.deepEqual(
    [(await theOnly(fleet)).status, fleet.launcher.removals],
    ['terminating', [node.cluster_name]],
  )
  fleet.pass(DOUBT_MS)
  await fleet.tend()
  assert.equal((await theOnly(fleet)).status, 'terminated')
  assert.equal(fleet.launcher.launches.length, 1)
})

/** A node that serves, of a deployment of one. */
async function serving(fleet: Fleet): Promise<{ path: string; node: FleetNode }> {
  const path = await fleet.deploy({ node_count: 1 })
  await fleet.tend()
  fleet.comeUp()
  await fleet.tend()
  await fleet.reconcile()
  fleet.pass(DOUBT_MS)
  return { path, node: await theOnly(fleet) }
}

test('a machine is removed when its node has run dry, and the node is terminated when nothing is left of the machine', async () => {
  await using fleet = await startFleet()
  const { path, node } = await serving(fleet)
  await fleet.port.send('DELETE', path)
  const state = async () => {
    await fleet.tend()
    await fleet.reconcile()
    const { status, is_drained: drained, is_gone: gone } = await theOnly(fleet)
    return [status, drained, gone, fleet.launcher.removals.length, (await fleet.show(path))['status']]
  }
  assert.deepEqual(await state(), ['terminating', false, false, 0, 'draining'])
  await fleet.runDry()
  fleet.launcher.onRemove = () => ({ state: 'going' })
  assert.deepEqual(await state(), ['terminating', true, false, 1, 'draining'])
  assert.deepEqual(await state(), ['terminating', true, false, 1, 'draining'], 'it is asked for once')
  const waitsFor = async () => {
    const { waits_for: what } = await fleet.show(`/admin/nodes/${node.cluster_name}/status`)
    return what?.['what']
  }
  assert.equal(await waitsFor(), 'machine_end')
  // Of a cloud, and no launcher for clouds is configured.
  await fleet.port.database.postgres.query("UPDATE nodes SET provider = 'aws'")
  assert.equal(await waitsFor(), 'launcher')
  fleet.launcher.present.delete(node.cluster_name)
  assert.deepEqual(await state(), ['terminated', true, true, 1, 'terminated'])
})

test('by force nothing is waited for but the machine', async () => {
  await using fleet = await startFleet()
  const { node } = await serving(fleet)
  await fleet.port.send('POST', `/admin/nodes/${node.cluster_name}/terminate`, { force: true })
  assert.equal((await theOnly(fleet)).status, 'terminating')
  await fleet.tend()
  await fleet.tend()
  const after = await theOnly(fleet)
  assert.deepEqual([after.status, fleet.launcher.removals], ['terminated', [node.cluster_name]])
})

test('a machine that goes by itself is noticed, and another one is launched', async () => {
  await using fleet = await startFleet()
  const { path, node } = await serving(fleet)
  fleet.launcher.present.delete(node.cluster_name)
  await fleet.tend()
  assert.match((await logOf(fleet, node)).at(-1) ?? '', /^status terminating leader its machine is gone$/)
  fleet.pass(10_000)
  await fleet.reconcile()
  await fleet.tend()
  const [lost, other] = await fleet.nodes()
  assert.deepEqual([lost?.status, lost?.is_gone, other?.status], ['terminated', true, 'launching'])
  assert.equal(fleet.launcher.launches.length, 2)
  assert.equal((await fleet.show(path))['status'], 'scaling')
})

test('a launcher that lets nobody in fails what was not asked for, with its reason, and what serves is left alone', async () => {
  await using fleet = await startFleet()
  const { path } = await serving(fleet)
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 2 })
  fleet.launcher.onLook = () => Promise.reject(new LaunchError('unauthorized', 'the token has expired'))
  await assert.rejects(fleet.tend(), /the token has expired/)
  const [first, second] = await fleet.nodes()
  assert.deepEqual(
    [first?.status, second?.status, second?.error],
    ['active', 'failed', 'the token has expired'],
  )
  await fleet.reconcile()
  assert.match(
    (await fleet.show(path))['status_reason'] ?? '',
    /^a launch failed, .*: the token has expired$/,
  )
})

test('a launcher that does not answer changes nothing', async () => {
  await using fleet = await startFleet()
  const { path } = await serving(fleet)
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 2 })
  const before = await fleet.nodes()
  fleet.launcher.onLook = () => Promise.reject(new Error('connect ECONNREFUSED'))
  await assert.rejects(fleet.tend(), /ECONNREFUSED/)
  assert.deepEqual(await fleet.nodes(), before)
})

test('steps that fail each time hold up no other', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 20 })
  await fleet.tend()
  await fleet.port.send('DELETE', path)
  fleet.launcher.onRemove = () => new Error('try again')
  await fleet.deploy({ node_count: 1 })
  await assert.rejects(fleet.tend(), /try again/)
  assert.equal(fleet.launcher.launches.length, 21)
  assert.equal(fleet.launcher.removals.length, 20)
})
