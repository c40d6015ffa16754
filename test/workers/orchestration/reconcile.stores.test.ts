import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FORGOTTEN_AFTER_MS } from '../../../src/core/orchestration/retry.js'
import { LaunchError } from '../../../src/workers/launchers/launcher.js'
import { SICK_AFTER_MS } from '../../../src/workers/orchestration/sick.js'
import { type Fleet, ORPHAN_GRACE_MS, startFleet } from '../../support/fleet.js'

/** Looks until what is launched has come up and what has run dry is gone. */
async function settle(fleet: Fleet, looks = 3): Promise<void> {
  for (let look = 0; look < looks; look++) {
    await fleet.reconcile()
    await fleet.tend()
    fleet.comeUp()
    await fleet.tend()
    await fleet.runDry()
    fleet.pass(20_000)
    await fleet.tend()
    await fleet.tend()
  }
  await fleet.reconcile()
}

async function alive(fleet: Fleet): Promise<string[]> {
  const nodes = await fleet.nodes()
  return nodes
    .filter(({ status }) => status !== 'terminated')
    .map(({ status, generation }) => `${status} ${generation}`)
}

test('many reconcilers at once plan no node twice, and let none go twice', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 0 })
  const target = async (count: number) => {
    await fleet.port.database.postgres.query('UPDATE deployments SET target_node_count = $1', [count])
    await Promise.all(Array.from({ length: 6 }, () => fleet.newReconciler().look()))
  }
  await target(5)
  assert.equal((await fleet.nodes()).length, 5)
  await Promise.all([
    target(2),
    fleet.tend(),
    fleet.port.send('PUT', `${path}/scale`, { target_node_count: 2 }),
  ])
  await fleet.reconcile()
  const left = (await fleet.nodes()).filter(({ status }) => status === 'launching')
  assert.equal(left.length, 2)
})

test('a deployment grows, shrinks, pauses, is taken up again and ends with exactly its nodes', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 3 })
  const scaled = async (count: number) => {
    await fleet.port.send('PUT', `${path}/scale`, { target_node_count: count })
    await settle(fleet)
    return [(await fleet.show(path))['status'], (await alive(fleet)).length, fleet.launcher.present.size]
  }
  assert.deepEqual(await scaled(3), ['active', 3, 3])
  assert.deepEqual(await scaled(5), ['active', 5, 5])
  assert.deepEqual(await scaled(1), ['active', 1, 1])
  assert.deepEqual(await scaled(0), ['paused', 0, 0])
  assert.deepEqual(await scaled(2), ['active', 2, 2])
  assert.equal(fleet.launcher.launches.length, 3 + 2 + 2)
  await fleet.port.send('DELETE', path)
  await settle(fleet)
  assert.deepEqual([(await fleet.show(path))['status'], fleet.launcher.present.size], ['terminated', 0])
})

test('a deployment that scales to zero by itself is asleep, not paused', async () => {
  await using fleet = await startFleet()
  const auto_scaling = { enabled: true, min_nodes: 0, max_nodes: 3 }
  const path = await fleet.deploy({ node_count: 0, auto_scaling })
  await fleet.reconcile()
  const asleep = await fleet.show(path)
  assert.deepEqual(
    [asleep['status'], asleep['asleep'], asleep['status_reason']],
    ['active', true, 'asleep: the next request wakes it'],
  )
})

test('a deployment that sleeps and is told to keep a node brings it', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({
    node_count: 0,
    auto_scaling: { enabled: true, min_nodes: 0, max_nodes: 3 },
  })
  const auto_scaling = { enabled: true, min_nodes: 1, max_nodes: 3 }
  const { body } = await fleet.port.send('PATCH', path, { auto_scaling })
  assert.deepEqual([body['asleep'], Number(body['node_count'])], [false, 1])
  await settle(fleet)
  assert.deepEqual(await alive(fleet), ['active 1'])
})

test('new settings replace the nodes one by one, and as many are launched as are replaced', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 2 })
  await settle(fleet)
  const patched = await fleet.port.send('PATCH', path, { engine_args: ['--max-model-len', '8192'] })
  assert.equal(patched.status, 200, JSON.stringify(patched.body))
  assert.deepEqual(await alive(fleet), ['active 1', 'active 1', 'launching 2'])
  const served: number[] = []
  for (let look = 0; look < 6; look++) {
    await settle(fleet, 1)
    served.push((await alive(fleet)).filter((node) => node.startsWith('active')).length)
  }
  assert.ok(Math.min(...served) >= 2, served.join())
  assert.deepEqual(await alive(fleet), ['active 2', 'active 2'])
  assert.equal(fleet.launcher.launches.length, 4)
  assert.equal((await fleet.show(path))['status'], 'active')
})

test('a node whose health check fails for five minutes is replaced, not before', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 2 })
  await settle(fleet)
  const [first] = await fleet.nodes()
  assert.ok(first !== undefined)
  const ill = {
    nodeId: first.id,
    healthy: false,
    running: null,
    waiting: null,
    kvCacheUsage: null,
    tellsLoad: false,
    proxies: null,
    observedAt: Date.now(),
  }
  fleet.live.set(first.id, ill)
  await fleet.reconcile()
  fleet.pass(SICK_AFTER_MS - 60_000)
  await fleet.reconcile()
  assert.deepEqual(await alive(fleet), ['active 1', 'active 1'])
  fleet.pass(60_000)
  await settle(fleet)
  const nodes = await fleet.nodes()
  assert.deepEqual(
    nodes.map(({ status }) => status),
    ['terminated', 'active', 'active'],
  )
  // It was ill as soon as it served: if that goes on, launching is given up.
  const { rows } = await fleet.port.database.postgres.query<{ retry: { lost: boolean } | null }>(
    'SELECT retry FROM deployments',
  )
  assert.equal(rows[0]?.retry?.lost, true)
  fleet.pass(FORGOTTEN_AFTER_MS)
  await fleet.reconcile()
  const later = await fleet.port.database.postgres.query('SELECT retry FROM deployments')
  assert.deepEqual(later.rows, [{ retry: null }])
})

test('failures of launches are forgotten when no node is wanted any more', async () => {
  await using fleet = await startFleet()
  const path = await fleet.deploy({ node_count: 1 })
  fleet.launcher.onLaunch = () => new LaunchError('no_capacity', 'nobody has one')
  await fleet.tend()
  await fleet.reconcile()
  const kinds = () => fleet.port.database.postgres.query("SELECT retry ->> 'kind' AS kind FROM deployments")
  assert.deepEqual((await kinds()).rows, [{ kind: 'no_capacity' }])
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 0 })
  await fleet.reconcile()
  assert.deepEqual((await kinds()).rows, [{ kind: null }])
})

for (const deadline_seconds of [120, null]) {
  test(`a node whose agent warns, with ${deadline_seconds ?? 'no'} seconds to go, has its successor launched at once`, async () => {
    await using fleet = await startFleet()
    await fleet.deploy({ node_count: 1 })
    await settle(fleet)
    const [node] = await fleet.nodes()
    const headers = { authorization: `Bearer ${fleet.launcher.launches[0]?.token}` }
    const warning = { reason: 'spot', deadline_seconds }
    await fleet.port.send('POST', `/admin/nodes/${node?.id}/termination-warning`, warning, headers)
    await fleet.reconcile()
    assert.deepEqual(await alive(fleet), ['draining 1', 'launching 1'])
  })
}

test('a node that an administrator drains is not replaced', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  await settle(fleet)
  const [node] = await fleet.nodes()
  await fleet.port.send('POST', `/admin/nodes/${node?.cluster_name}/drain`)
  await fleet.reconcile()
  assert.deepEqual(await alive(fleet), ['draining 1'])
})

test('a machine that no node knows of is removed after the grace time, one that a node knows never', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 1 })
  await settle(fleet)
  const { present, removals } = fleet.launcher
  present.set('cic-local-any-cpu-od-orphan', { state: 'up', endpointUrl: null })
  await fleet.orphans.look()
  fleet.pass(ORPHAN_GRACE_MS - 60_000)
  await fleet.orphans.look()
  assert.deepEqual(removals, [])
  fleet.pass(60_000)
  await fleet.orphans.look()
  assert.deepEqual([removals, present.size], [['cic-local-any-cpu-od-orphan'], 1])
})

test('an orphan that cannot be removed holds up no other', async () => {
  await using fleet = await startFleet()
  const { present, removals } = fleet.launcher
  for (const name of ['one', 'two'])
    present.set(`cic-local-any-cpu-od-${name}`, { state: 'up', endpointUrl: null })
  fleet.launcher.onRemove = (name) => (name.endsWith('one') ? new Error('not now') : { state: 'absent' })
  await fleet.orphans.look()
  fleet.pass(ORPHAN_GRACE_MS)
  await assert.rejects(fleet.orphans.look(), /not now/)
  assert.equal(removals.length, 2)
  assert.deepEqual([...present.keys()], ['cic-local-any-cpu-od-one'])
})

test('a machine that was an orphan, was gone and is there again has its whole grace time', async () => {
  await using fleet = await startFleet()
  const { present, removals } = fleet.launcher
  const orphan = () => present.set('cic-local-any-cpu-od-orphan', { state: 'up', endpointUrl: null })
  orphan()
  await fleet.orphans.look()
  present.clear()
  fleet.pass(ORPHAN_GRACE_MS)
  await fleet.orphans.look()
  orphan()
  await fleet.orphans.look()
  assert.deepEqual(removals, [])
})
