import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import {
  type ContractPort,
  instanceTypeBody,
  type JsonReply,
  modelBody,
  nodeBody,
  refusal,
  regionBody,
  startContractPort,
  tenantBody,
} from '../../support/contract-port.js'
import { configDocument } from '../../support/config-document.js'

const send = (port: ContractPort, document: object | string, query = '') =>
  port.send('POST', `/admin/config/import${query}`, document)

async function exported(port: ContractPort): Promise<string> {
  return (await port.client.config.export()).body
}

const SECTIONS = ['models', 'routes', 'tenants', 'regions', 'instance_types'] as const

/** How many rows were created, updated and deleted, of those kinds where any was. */
function counts({ status, body }: JsonReply) {
  assert.equal(status, 200, JSON.stringify(body))
  const entries = SECTIONS.map((section) => {
    const { created, updated, deleted } = body[section] as unknown as Record<string, unknown[]>
    return [section, [created?.length, updated?.length, deleted?.length]] as const
  })
  return Object.fromEntries(entries.filter(([, changes]) => changes.some((count) => count !== 0)))
}

const model = (changes: object = {}) => modelBody({ metadata: {}, ...changes })

test('an export comes back as it is: importing it changes nothing, also when it prunes', async () => {
  await using port = await startContractPort()
  await port.send(
    'POST',
    '/admin/models',
    model({ name: 'm', aliases: ['b', 'a'], metadata: { z: 1, a: ['no'] } }),
  )
  await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'gpu-1' }))
  const listed = await port.send('GET', '/admin/models')
  await port.send('PUT', `/admin/routes/${listed.body['data']?.[0]?.['id']}`, {
    node_weights: { 'gpu-1': 2.5 },
    allowed_body_fields: ['priority', 'cache_salt'],
  })
  await port.send('POST', '/admin/tenants', tenantBody({ email: 'Ops@acme.example', allowed_models: ['a'] }))
  const text = await exported(port)
  assert.match(text, /^version: 1\nmodels:\n- name: m\n {2}aliases:\n {2}- a\n {2}- b\n/)
  assert.match(text, /\n- email: Ops@acme.example\n {2}tier: pro\n[^]*allowed_models:\n {2}- m\n/)
  assert.doesNotMatch(text, /clsk_|endpoint_url|\bid:/)
  for (const query of ['', '?prune=true', '?dry_run=true&prune=true']) {
    const reply = await send(port, text, query)
    assert.deepEqual(counts(reply), {})
    assert.deepEqual(reply.body['models']?.['unchanged'], ['m'])
    assert.equal(await exported(port), text)
  }
})

test('a document is applied once, says what it does, and leaves one entry in the audit log', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', model({ name: 'old', price_input_per_million: 1 }))
  await port.send('POST', '/admin/tenants', tenantBody({ email: 'ops@acme.example', tier: 'free' }))
  const document = {
    version: 1,
    models: [{ name: 'old', price_input_per_million: 0.25 }, model({ name: 'new', aliases: ['newest'] })],
    routes: [{ model: 'new', strategy: 'weighted', health_check: { interval_seconds: 2 } }],
    tenants: [{ email: 'OPS@acme.example', tier: 'pro', allowed_models: ['newest', 'old'] }],
    regions: [regionBody({ code: 'north' })],
    instance_types: [instanceTypeBody({ name: 'big', regions: ['north'] })],
  }
  const expected = {
    models: [1, 1, 0],
    routes: [0, 1, 0],
    tenants: [0, 1, 0],
    regions: [1, 0, 0],
    instance_types: [1, 0, 0],
  }
  const before = await exported(port)
  const rehearsed = await send(port, document, '?dry_run=true')
  assert.deepEqual(counts(rehearsed), expected)
  assert.equal(await exported(port), before)

  const applied = await send(port, document)
  const applies: Record<string, unknown> = applied.body
  assert.deepEqual({ ...applies, dry_run: true }, rehearsed.body)
  const priceChange = { name: 'old', fields: { price_input_per_million: { before: 1, after: 0.25 } } }
  assert.deepEqual(applied.body['models']?.['updated'], [priceChange])
  assert.deepEqual(counts(await send(port, document)), {})

  const after = parse(await exported(port)) as Record<string, Record<string, unknown>[]>
  assert.deepEqual(after['tenants']?.[0]?.['allowed_models'], ['new', 'old'])
  // As in a PATCH the limits that nobody set go with the tier.
  assert.equal(after['tenants'][0]['rate_limit_per_minute'], 3000)
  const route = after['routes']?.find((row) => row['model'] === 'new')
  assert.deepEqual(route?.['health_check'], {
    interval_seconds: 2,
    timeout_seconds: 3,
    unhealthy_threshold: 3,
    healthy_threshold: 2,
  })
  const { rows } = await port.database.postgres.query<{ after: Record<string, unknown> }>(
    "SELECT after FROM audit_log WHERE action = 'config.import' ORDER BY at, id",
  )
  // The two that were no dry run.
  assert.equal(rows.length, 2)
  assert.deepEqual(rows[0]?.after['models'], {
    created: applied.body['models']?.['created'],
    updated: [priceChange],
    deleted: [],
  })
})

test('aliases move from one model to another, and a name becomes an alias of another', async () => {
  await using port = await startContractPort()
  await send(port, {
    version: 1,
    models: [
      model({ name: 'a', aliases: ['x', 'y'] }),
      model({ name: 'b', aliases: ['z'] }),
      model({ name: 'c' }),
    ],
  })
  const swapped = {
    version: 1,
    models: [
      { name: 'a', aliases: ['z', 'c'] },
      { name: 'b', aliases: ['x', 'y'] },
    ],
  }
  assert.deepEqual(refusal(await send(port, swapped)), [409, 'already_exists', 'models[0].aliases[1]'])
  assert.deepEqual(counts(await send(port, swapped, '?prune=true')), { models: [0, 2, 1] })
  const search = await port.send('GET', '/admin/models?search=c&sort=name')
  assert.equal(search.body['data']?.[0]?.['name'], 'a')
  const names = await port.database.postgres.query('SELECT FROM model_names')
  assert.equal(names.rowCount, 6)
})

test('what is wrong with a document is named by its place, and nothing of it is applied', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', model({ name: 'there', aliases: ['also'] }))
  await port.send('POST', '/admin/tenants', tenantBody({ email: 'ops@acme.example' }))
  const good = model({ name: 'good' })
  const cases: [object | string, (string | number | null)[]][] = [
    ['', [400, 'invalid_parameter', 'version']],
    ['a: &x 1', [400, 'invalid_json', null]],
    [{ version: 2 }, [400, 'invalid_parameter', 'version']],
    [{ version: 1, nodes: [] }, [400, 'unknown_parameter', 'nodes']],
    [
      { version: 1, models: [good, { ...good, name: 'x', price: 1 }] },
      [400, 'unknown_parameter', 'models[1].price'],
    ],
    [
      { version: 1, models: [good, { name: 'there', price_input_per_million: -1 }] },
      [400, 'invalid_parameter', 'models[1].price_input_per_million'],
    ],
    [{ version: 1, models: [{ name: 'x', family: 'y' }] }, [400, 'invalid_parameter', 'models[0].type']],
    [{ version: 1, models: [good, good] }, [400, 'invalid_parameter', 'models[1].name']],
    [{ version: 1, models: [model({ name: 'also' })] }, [409, 'already_exists', 'models[0].name']],
    [
      { version: 1, models: [good, model({ aliases: ['good'] })] },
      [409, 'already_exists', 'models[1].aliases[0]'],
    ],
    [
      { version: 1, models: [{ name: 'there', aliases: ['there'] }] },
      [400, 'invalid_parameter', 'models[0].aliases[0]'],
    ],
    [{ version: 1, models: [good], routes: [{ model: 'also' }] }, [404, 'not_found', 'routes[0].model']],
    [
      { version: 1, routes: [{ model: 'there', retry: { attempts: 0 } }] },
      [400, 'invalid_parameter', 'routes[0].retry.attempts'],
    ],
    [
      { version: 1, models: [good], routes: [{ model: 'good', node_weights: { n: 1 } }] },
      [404, 'not_found', 'routes[0].node_weights.n'],
    ],
    [
      { version: 1, models: [good], tenants: [{ email: 'no@acme.example' }] },
      [404, 'not_found', 'tenants[0].email'],
    ],
    [
      {
        version: 1,
        models: [good],
        tenants: [{ email: 'ops@acme.example', allowed_models: ['good', 'no'] }],
      },
      [404, 'not_found', 'tenants[0].allowed_models[1]'],
    ],
    [{ version: 1, regions: [{ provider: 'x', code: 'y' }] }, [400, 'invalid_parameter', 'regions[0].name']],
    [
      { version: 1, models: [good], instance_types: [instanceTypeBody({ regions: ['nowhere'] })] },
      [404, 'not_found', 'instance_types[0].regions[0]'],
    ],
    [
      { version: 1, models: [good], instance_types: [instanceTypeBody({ gpu_count: 0 })] },
      [400, 'invalid_parameter', 'instance_types[0].gpu_model'],
    ],
  ]
  const before = await exported(port)
  for (const [document, expected] of cases) {
    for (const query of ['', '?dry_run=true']) {
      assert.deepEqual(refusal(await send(port, document, query)), expected, JSON.stringify(document))
    }
  }
  assert.deepEqual(refusal(await send(port, { version: 1 }, '?prune=yes')), [
    400,
    'invalid_parameter',
    'prune',
  ])
  const long = await send(port, `# ${'x'.repeat(1024 * 1024)}`)
  assert.deepEqual(refusal(long), [413, 'body_too_large', null])
  assert.equal(await exported(port), before)
  assert.deepEqual(port.failures, [])
})

test('pruning follows the rules of DELETE, and leaves lists alone that are not in the document', async () => {
  await using port = await startContractPort()
  const kept = model({ name: 'kept' })
  const gone = model({ name: 'gone', aliases: ['left'] })
  await send(port, {
    version: 1,
    models: [kept, gone],
    routes: [{ model: 'kept', strategy: 'round-robin' }],
    regions: [regionBody({ code: 'north' })],
    instance_types: [instanceTypeBody({ name: 'big', regions: ['north'] })],
  })
  await port.send('POST', '/admin/nodes', nodeBody('gone', { cluster_name: 'gpu-1' }))
  await port.send('POST', '/admin/nodes', nodeBody('kept', { provider: 'acme-cloud', region: 'north' }))
  const { regions, instance_types } = parse(await exported(port)) as Record<string, { provider: string }[]>
  const others = (rows: { provider: string }[] | undefined) =>
    rows?.filter((row) => row.provider !== 'acme-cloud')
  const before = await exported(port)

  const used = await send(port, { version: 1, models: [kept] }, '?prune=true')
  assert.deepEqual(refusal(used), [409, 'in_use', null])
  assert.match(used.body['error']?.['message'] ?? '', /'gone'.*gpu-1/)
  const places = { version: 1, regions: others(regions), instance_types: others(instance_types) }
  const busy = await send(port, places, '?prune=true')
  assert.deepEqual(refusal(busy), [409, 'in_use', null])
  assert.match(busy.body['error']?.['message'] ?? '', /region 'north'/)
  assert.equal(await exported(port), before)
  assert.deepEqual(counts(await send(port, { version: 1 }, '?prune=true')), {})
  assert.deepEqual(counts(await send(port, { version: 1, tenants: [] }, '?prune=true')), {})

  for (const { cluster_name: name } of (await port.send('GET', '/admin/nodes')).body['data'] as unknown as {
    cluster_name: string
  }[]) {
    await port.send('POST', `/admin/nodes/${name}/terminate`, { force: true })
  }
  const document = { ...places, models: [kept], routes: [] }
  assert.deepEqual(counts(await send(port, document, '?prune=true')), {
    models: [0, 0, 1],
    routes: [0, 0, 1],
    regions: [0, 0, 1],
    instance_types: [0, 0, 1],
  })
  assert.deepEqual(counts(await send(port, document, '?prune=true')), {})
  assert.equal((await port.send('POST', '/admin/models', model({ name: 'left' }))).status, 201)
})

test('a document names the models of a route, new ones too, by any of their names', async () => {
  await using port = await startContractPort()
  const document = {
    version: 1,
    models: ['a', 'b', 'c'].map((name) => model({ name, aliases: [`${name}-x`] })),
    routes: [
      {
        model: 'a',
        retry: { hedge_after_ms: 100 },
        fallback_models: ['c-x', 'b'],
        mirror: { model: 'b-x', percent: 2.5 },
        split: [
          { model: 'c', percent: 50 },
          { model: 'b-x', percent: 50 },
        ],
      },
    ],
  }
  const rehearsed = await send(port, document, '?dry_run=true')
  assert.deepEqual(counts(rehearsed), { models: [3, 0, 0], routes: [0, 1, 0] })
  assert.deepEqual(counts(await send(port, document)), { models: [3, 0, 0], routes: [0, 1, 0] })
  assert.deepEqual(counts(await send(port, document)), {})
  const { routes } = parse(await exported(port)) as Record<string, Record<string, unknown>[]>
  const { fallback_models, mirror, split, retry } = routes?.[0] ?? {}
  assert.deepEqual(
    { fallback_models, mirror, split, retry },
    {
      fallback_models: ['c', 'b'],
      mirror: { model: 'b', percent: 2.5 },
      split: [
        { model: 'b', percent: 50 },
        { model: 'c', percent: 50 },
      ],
      retry: { attempts: 3, budget_percent: 20, hedge_after_ms: 100 },
    },
  )
  // What is not sent stays; a route that the list has no more names nothing.
  const partial = { version: 1, routes: [{ model: 'a', mirror: null }] }
  assert.deepEqual(counts(await send(port, partial, '?prune=true')), { routes: [0, 1, 0] })
  const then = parse(await exported(port)) as Record<string, Record<string, unknown>[]>
  assert.deepEqual([then['routes']?.[0]?.['mirror'], then['routes']?.[0]?.['split']], [null, split])
  assert.deepEqual(counts(await send(port, { version: 1, routes: [] }, '?prune=true')), { routes: [0, 0, 1] })
  assert.equal((await port.database.postgres.query('SELECT FROM route_models')).rowCount, 0)
})

test('a document follows the rules of a route: what its models are, and no loops once all of it is there', async () => {
  await using port = await startContractPort()
  await send(port, {
    version: 1,
    models: [...['a', 'b', 'c'].map((name) => model({ name })), model({ name: 'e', type: 'embedding' })],
    routes: [{ model: 'c', fallback_models: ['a'] }],
  })
  const before = await exported(port)
  const share = { model: 'c', percent: 1 }
  const cases: [object[], string, unknown[]][] = [
    [
      [{ model: 'a', fallback_models: ['b', 'nope'] }],
      '',
      [404, 'not_found', 'routes[0].fallback_models[1]'],
    ],
    [
      [{ model: 'a', mirror: { model: 'e', percent: 1 } }],
      '',
      [400, 'invalid_parameter', 'routes[0].mirror.model'],
    ],
    [
      [{ model: 'b' }, { model: 'a', split: [{ model: 'a', percent: 1 }] }],
      '',
      [400, 'invalid_parameter', 'routes[1].split[0].model'],
    ],
    [
      [
        { model: 'a', fallback_models: ['b'] },
        { model: 'b', split: [share] },
      ],
      '',
      [400, 'invalid_parameter', 'routes[0].fallback_models[0]'],
    ],
    [
      [
        { model: 'a', fallback_models: ['b'] },
        { model: 'b', fallback_models: ['a'] },
      ],
      '&prune=true',
      [400, 'invalid_parameter', 'routes[0].fallback_models[0]'],
    ],
  ]
  for (const [routes, query, expected] of cases) {
    for (const dry of [true, false]) {
      const reply = await send(port, { version: 1, routes }, `?dry_run=${dry}${query}`)
      assert.deepEqual(refusal(reply), expected, JSON.stringify(routes))
    }
  }
  assert.equal(await exported(port), before)
  // The way from c back to a goes with the same document.
  const turned = [
    { model: 'a', fallback_models: ['b'] },
    { model: 'b', split: [share] },
  ]
  assert.deepEqual(counts(await send(port, { version: 1, routes: turned }, '?prune=true')), {
    routes: [0, 2, 1],
  })
  assert.deepEqual(port.failures, [])
})

test('a document removes a model, or gives it another type, where no route names it in the end', async () => {
  await using port = await startContractPort()
  const models = ['a', 'b'].map((name) => model({ name }))
  const [a] = models
  const names = { model: 'a', fallback_models: ['b'] }
  await send(port, { version: 1, models, routes: [names] })
  const before = await exported(port)
  for (const [document, query] of [
    [{ version: 1, models: [a] }, '?prune=true'],
    [{ version: 1, models: [a], routes: [{ model: 'a', idle_timeout_ms: 1 }] }, '?prune=true'],
    [{ version: 1, models: [{ name: 'b', type: 'embedding' }] }, ''],
    [{ version: 1, models: [{ name: 'a', type: 'completion' }], routes: [{ model: 'b' }] }, ''],
  ] as const) {
    const reply = await send(port, document, query)
    assert.deepEqual(refusal(reply), [409, 'in_use', null], JSON.stringify(document))
    assert.match(reply.body['error']?.['message'] ?? '', /route of the model 'a' names 'b'/)
  }
  assert.equal(await exported(port), before)

  const both = {
    version: 1,
    models: models.map(({ name }) => ({ name, type: 'completion' })),
    routes: [names],
  }
  assert.deepEqual(counts(await send(port, both)), { models: [0, 2, 0] })
  const without = { version: 1, models: [a], routes: [{ model: 'a', fallback_models: [] }] }
  assert.deepEqual(counts(await send(port, without, '?prune=true')), { models: [0, 1, 1], routes: [0, 1, 0] })
  // A model goes with the one that names it.
  await send(port, { version: 1, models, routes: [names] })
  assert.deepEqual(counts(await send(port, { version: 1, models: [] }, '?prune=true')), { models: [0, 0, 2] })
  assert.deepEqual(port.failures, [])
})

test('imports and changes that come at once lose nothing of each other', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/models', model({ name: 'm' }))
  const path = `/admin/models/${body['id']}`
  for (let round = 0; round < 10; round++) {
    const replies = await Promise.all([
      send(port, { version: 1, models: [{ name: 'm', size: `${round}` }, model({ name: `one-${round}` })] }),
      port.send('PATCH', path, { family: `f-${round}` }),
      send(port, {
        version: 1,
        models: [{ name: 'm', aliases: [`alias-${round}`] }],
        routes: [{ model: 'm', idle_timeout_ms: 1000 + round }],
      }),
      port.send('PUT', `/admin/routes/${body['id']}`, { first_token_timeout_ms: 1000 + round }),
      port.send('PATCH', path, { context_length: 1000 + round }),
    ])
    for (const { status, body: reply } of replies) assert.equal(status, 200, JSON.stringify(reply))
    const { size, family, aliases, context_length }: Record<string, unknown> = (await port.send('GET', path))
      .body
    assert.deepEqual(
      { size, family, aliases, context_length },
      { size: `${round}`, family: `f-${round}`, aliases: [`alias-${round}`], context_length: 1000 + round },
    )
    const route = (await port.send('GET', `/admin/routes/${body['id']}`)).body
    assert.deepEqual(
      [route['idle_timeout_ms'], route['first_token_timeout_ms']],
      [1000 + round, 1000 + round],
    )
  }
  assert.deepEqual(port.failures, [])
})

test('any document that is imported is exported again', async () => {
  await using port = await startContractPort()
  const emails = ['a@acme.example', 'b@acme.example']
  for (const email of emails) await port.send('POST', '/admin/tenants', tenantBody({ email }))
  await fc.assert(
    fc.asyncProperty(configDocument(emails), async (document) => {
      const reply = await send(port, document, '?prune=true')
      assert.equal(reply.status, 200, JSON.stringify(reply.body))
      const text = await exported(port)
      assert.deepEqual(parse(text), document)
      assert.deepEqual(counts(await send(port, text, '?prune=true')), {})
    }),
    { numRuns: 60 },
  )
  assert.deepEqual(port.failures, [])
})
