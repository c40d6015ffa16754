import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ROUTE } from '../../../src/core/snapshot.js'
import { loadSnapshot } from '../../../src/io/snapshot-load.js'
import {
  type ContractPort,
  modelBody,
  nodeBody,
  refusal,
  startContractPort,
} from '../../support/contract-port.js'

/** Adds models of these names and says where their routes are. */
async function withModels(port: ContractPort, ...names: string[]) {
  const ids = new Map<string, string>()
  for (const name of names) {
    const { status, body } = await port.send(
      'POST',
      '/admin/models',
      modelBody({ name, aliases: [`${name}-x`] }),
    )
    assert.equal(status, 201)
    ids.set(name, body['id'] ?? '')
  }
  const idOf = (name: string) => ids.get(name) ?? ''
  const put = (name: string, body: object) => port.send('PUT', `/admin/routes/${idOf(name)}`, body)
  const get = async (name: string) => {
    const shown: Record<string, unknown> = (await port.send('GET', `/admin/routes/${idOf(name)}`)).body
    return shown
  }
  return { idOf, put, get }
}

const routeIn = async (port: ContractPort, modelId: string) =>
  (await loadSnapshot(port.database.postgres)).routes.find((route) => route.modelId === modelId)

const SETTINGS = {
  strategy: 'prefix-affinity',
  sticky_sessions: true,
  retry: { attempts: 5, budget_percent: 12.5, hedge_after_ms: 250 },
  resume_streams: false,
  queue: { max_depth: 7, max_wait_ms: 0, cold_start_max_wait_ms: 60_000 },
}

test('every setting of a route is kept, shown and served, and what is not sent stays', async () => {
  await using port = await startContractPort()
  const { idOf, put, get } = await withModels(port, 'm', 'b', 'c')
  const defaults = await get('m')
  const { retry, queue } = DEFAULT_ROUTE
  assert.deepEqual(defaults['retry'], {
    attempts: retry.attempts,
    budget_percent: retry.budgetPercent,
    hedge_after_ms: null,
  })
  assert.deepEqual(defaults['queue'], {
    max_depth: queue.maxDepth,
    max_wait_ms: queue.maxWaitMs,
    cold_start_max_wait_ms: queue.coldStartMaxWaitMs,
  })
  assert.deepEqual(
    ['sticky_sessions', 'resume_streams', 'fallback_models', 'mirror', 'split'].map((name) => defaults[name]),
    [false, true, [], null, []],
  )

  const models = {
    fallback_models: ['c', 'b'],
    mirror: { model: 'b', percent: 0.5 },
    split: [
      { model: 'c', percent: 33.33 },
      { model: 'b', percent: 66.67 },
    ],
  }
  const changed = await put('m', {
    ...SETTINGS,
    fallback_models: ['c-x', 'b'],
    mirror: { model: 'b-x', percent: 0.5 },
    split: models.split,
  })
  assert.equal(changed.status, 200, JSON.stringify(changed.body))
  const sent = { ...defaults, ...SETTINGS, ...models }
  assert.deepEqual(await get('m'), { ...sent, updated_at: changed.body['updated_at'] })
  const served = {
    ...DEFAULT_ROUTE,
    modelId: idOf('m'),
    strategy: 'prefix-affinity',
    stickySessions: true,
    retry: { attempts: 5, budgetPercent: 12.5, hedgeAfterMs: 250 },
    resumeStreams: false,
    queue: { maxDepth: 7, maxWaitMs: 0, coldStartMaxWaitMs: 60_000 },
    fallbackModelIds: [idOf('c'), idOf('b')],
    mirror: { modelId: idOf('b'), percent: 0.5 },
    split: [
      { modelId: idOf('c'), percent: 33.33 },
      { modelId: idOf('b'), percent: 66.67 },
    ],
  }
  assert.deepEqual(await routeIn(port, idOf('m')), served)
  const { body: list } = await port.send('GET', '/admin/routes?sort=model_name')
  assert.deepEqual(list['data']?.[2], await get('m'))

  await put('m', { retry: { attempts: 1 }, queue: { max_wait_ms: 5 }, idle_timeout_ms: 1000 })
  const then = {
    ...served,
    retry: { ...served.retry, attempts: 1 },
    queue: { maxDepth: 7, maxWaitMs: 5, coldStartMaxWaitMs: 60_000 },
    idleTimeoutMs: 1000,
  }
  assert.deepEqual(await routeIn(port, idOf('m')), then)
  await put('m', { retry: { hedge_after_ms: null }, mirror: null, split: [] })
  assert.deepEqual(await routeIn(port, idOf('m')), {
    ...then,
    retry: { ...then.retry, hedgeAfterMs: null },
    mirror: null,
    split: [],
  })
  assert.deepEqual((await put('m', { fallback_models: [] })).body['fallback_models'], [])
  assert.deepEqual(port.failures, [])
})

test('a model that a route cannot name is refused with its place, and nothing is changed', async () => {
  await using port = await startContractPort()
  const { put, get } = await withModels(port, 'm', 'b', 'c')
  for (const type of ['completion', 'embedding']) {
    await port.send('POST', '/admin/models', modelBody({ name: type, type }))
  }
  const before = await get('m')
  const share = (model: string, percent = 10) => ({ model, percent })
  const cases: [object, unknown[]][] = [
    [{ fallback_models: ['b', 'nope'] }, [404, 'not_found', 'fallback_models[1]']],
    [{ fallback_models: ['b', 'embedding'] }, [400, 'invalid_parameter', 'fallback_models[1]']],
    [{ fallback_models: ['completion'] }, [400, 'invalid_parameter', 'fallback_models[0]']],
    [{ fallback_models: ['m-x'] }, [400, 'invalid_parameter', 'fallback_models[0]']],
    [{ fallback_models: ['b', 'c', 'b-x'] }, [400, 'invalid_parameter', 'fallback_models[2]']],
    [{ mirror: share('nope') }, [404, 'not_found', 'mirror.model']],
    [{ mirror: share('embedding') }, [400, 'invalid_parameter', 'mirror.model']],
    [{ mirror: share('m') }, [400, 'invalid_parameter', 'mirror.model']],
    [{ split: [share('b'), share('nope')] }, [404, 'not_found', 'split[1].model']],
    [{ split: [share('completion')] }, [400, 'invalid_parameter', 'split[0].model']],
    [{ split: [share('b'), share('m')] }, [400, 'invalid_parameter', 'split[1].model']],
    [{ split: [share('b'), share('b-x')] }, [400, 'invalid_parameter', 'split[1].model']],
    [{ split: [share('b', 60), share('c', 40.01)] }, [400, 'invalid_parameter', 'split']],
  ]
  for (const [body, expected] of cases) {
    assert.deepEqual(refusal(await put('m', { ...body, idle_timeout_ms: 1 })), expected, JSON.stringify(body))
  }
  assert.deepEqual(await get('m'), before)
  assert.deepEqual(port.failures, [])
})

test('a loop of fallbacks and splits is refused, however long; a mirror closes none', async () => {
  await using port = await startContractPort()
  const { put } = await withModels(port, 'a', 'b', 'c', 'd')
  const share = (model: string) => ({ model, percent: 10 })
  assert.equal((await put('a', { fallback_models: ['b'] })).status, 200)
  const two = await put('b', { fallback_models: ['c', 'a'] })
  assert.deepEqual(refusal(two), [400, 'invalid_parameter', 'fallback_models[1]'])
  assert.match(two.body['error']?.['message'] ?? '', /b → a → b/)

  assert.equal((await put('b', { split: [share('c')] })).status, 200)
  assert.equal((await put('c', { fallback_models: ['d'] })).status, 200)
  assert.deepEqual(refusal(await put('d', { split: [share('a')] })), [
    400,
    'invalid_parameter',
    'split[0].model',
  ])
  assert.equal((await put('d', { mirror: share('a') })).status, 200)
  assert.equal((await put('a', { mirror: share('d') })).status, 200)
  // The loop that would have been is none when one of its ways is gone.
  assert.equal((await put('b', { split: [] })).status, 200)
  assert.equal((await put('d', { split: [share('a')] })).status, 200)
})

test('routes that are changed at once never make a loop together', async () => {
  await using port = await startContractPort()
  const names = ['a', 'b', 'c']
  const { put, get } = await withModels(port, ...names)
  for (let round = 0; round < 15; round++) {
    const replies = await Promise.all([
      put('a', { fallback_models: ['b'] }),
      put('b', round % 2 === 0 ? { split: [{ model: 'c', percent: 1 }] } : { fallback_models: ['c'] }),
      put('c', { fallback_models: ['a'] }),
      put('a', { mirror: { model: 'c', percent: 1 } }),
    ])
    const statuses = replies.map(({ status }) => status)
    assert.deepEqual(
      statuses.toSorted(),
      [200, 200, 200, 400],
      JSON.stringify(replies.map(({ body }) => body)),
    )
    const routes = await Promise.all(names.map(get))
    const there = routes.map((route) => [route['fallback_models'], route['split']].flat().length)
    assert.equal(
      there.reduce((sum, count) => sum + count),
      2,
    )
    for (const name of names) await put(name, { fallback_models: [], split: [] })
  }
  assert.deepEqual(port.failures, [])
})

test('two changes that have no model in common never make a loop together', async () => {
  await using port = await startContractPort()
  const { put } = await withModels(port, 'a', 'b', 'c', 'd')
  await put('b', { fallback_models: ['c'] })
  await put('d', { split: [{ model: 'a', percent: 50 }] })
  for (let round = 0; round < 15; round++) {
    const replies = await Promise.all([
      put('a', { fallback_models: ['b'] }),
      put('c', { fallback_models: ['d'] }),
    ])
    assert.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 400])
    for (const name of ['a', 'c']) await put(name, { fallback_models: [] })
  }
  assert.deepEqual(port.failures, [])
})

test('a model that a route names is neither deleted nor given another type', async () => {
  await using port = await startContractPort()
  const { idOf, put } = await withModels(port, 'a', 'b')
  const path = (name: string) => `/admin/models/${idOf(name)}`
  const share = { model: 'b', percent: 1 }
  for (const body of [{ fallback_models: ['b'] }, { mirror: share }, { split: [share] }]) {
    await put('a', body)
    const gone = await port.send('DELETE', path('b'))
    assert.deepEqual(refusal(gone), [409, 'in_use', null])
    assert.match(gone.body['error']?.['message'] ?? '', /route of the model 'a' names 'b'/)
    for (const name of ['a', 'b']) {
      const changed = await port.send('PATCH', path(name), { type: 'embedding' })
      assert.deepEqual(refusal(changed), [409, 'in_use', null])
    }
    await put('a', { fallback_models: [], mirror: null, split: [] })
  }
  assert.equal((await port.send('PATCH', path('b'), { type: 'embedding', name: 'renamed' })).status, 200)
  assert.equal((await port.send('PATCH', path('b'), { type: 'chat' })).status, 200)
  await put('a', { fallback_models: ['renamed'] })
  // Whose route names it is gone itself.
  assert.equal((await port.send('DELETE', path('a'))).status, 200)
  assert.equal((await port.send('DELETE', path('b'))).status, 200)
})

test('a model that is deleted while routes come to name it is in none of them', async () => {
  await using port = await startContractPort()
  const { idOf, put, get } = await withModels(port, 'a', 'b')
  for (let round = 0; round < 15; round++) {
    const name = `gone-${round}`
    const { body } = await port.send('POST', '/admin/models', modelBody({ name }))
    const [one, other, gone] = await Promise.all([
      put('a', { fallback_models: [name] }),
      put('b', { split: [{ model: name, percent: 1 }] }),
      port.send('DELETE', `/admin/models/${body['id']}`),
    ])
    // Either it is gone, and no route has come to name it, or one has and it stays.
    const statuses = [one.status, other.status, gone.status].join()
    assert.match(statuses, /^404,404,200$|200.*409$/)
    const named = [(await get('a'))['fallback_models'], (await get('b'))['split']].flat()
    assert.equal(named.length, [one, other].filter(({ status }) => status === 200).length)
    await put('a', { fallback_models: [] })
    await put('b', { split: [] })
  }
  // Somebody who deletes it by hand breaks no proxy.
  await put('a', {
    fallback_models: ['b'],
    mirror: { model: 'b', percent: 1 },
    split: [{ model: 'b', percent: 1 }],
  })
  await port.database.postgres.query('UPDATE models SET deleted_at = now() WHERE id = $1', [idOf('b')])
  const route = await routeIn(port, idOf('a'))
  assert.deepEqual([route?.fallbackModelIds, route?.mirror, route?.split], [[], null, []])
  assert.deepEqual(port.failures, [])
})

test('a node may have no weight, but not all of them', async () => {
  await using port = await startContractPort()
  const { put, get } = await withModels(port, 'm', 'bare')
  for (const name of ['n-1', 'n-2'])
    await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: name }))
  for (const node_weights of [{ 'n-1': 0 }, { 'n-1': 0, 'n-2': 0.5 }]) {
    const reply = await put('m', { strategy: 'weighted', node_weights })
    assert.deepEqual([reply.status, reply.body['node_weights']], [200, node_weights])
  }
  const none = await put('m', { node_weights: { 'n-1': 0, 'n-2': 0 } })
  assert.deepEqual(refusal(none), [400, 'invalid_parameter', 'node_weights'])
  assert.deepEqual((await get('m'))['node_weights'], { 'n-1': 0, 'n-2': 0.5 })
  assert.equal((await put('bare', { node_weights: {} })).status, 200)
})
