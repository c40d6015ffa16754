import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import {
  adminPortDocumented,
  adminPortEndpoints,
  tenantPortDocumented,
  tenantPortEndpoints,
} from '../../src/core/contract/contract.js'
import type { DocumentedEndpoint } from '../../src/core/contract/endpoint.js'
import { ERRORS } from '../../src/core/errors.js'
import { getUsage } from '../../src/core/contract/usage.js'
import { errorsOf } from '../../src/core/contract/endpoint-errors.js'
import { openApiDocument } from '../../src/core/openapi.js'
import { packageRoot } from '../../src/io/package-root.js'
import { allHandlers } from '../../src/workers/handlers/all.js'

const Operation = z.looseObject({
  operationId: z.string(),
  parameters: z.array(
    z.looseObject({ name: z.string(), in: z.string(), required: z.boolean(), schema: z.unknown() }),
  ),
  requestBody: z.looseObject({ required: z.boolean() }).optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string(), content: z.unknown() })),
  security: z.array(z.record(z.string(), z.array(z.string()))),
})
const Document = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({
    schemas: z.record(z.string(), z.unknown()),
    securitySchemes: z.record(z.string(), z.unknown()),
  }),
})

const documentOf = (endpoints: readonly DocumentedEndpoint[]) =>
  Document.parse(openApiDocument({ title: 't', description: 'd', version: '1', endpoints }))

test('every endpoint has one id, one place, one success and a handler, and no handler is left over', () => {
  const endpoints = [...adminPortEndpoints, ...tenantPortEndpoints]
  const ids = endpoints.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  const places = endpoints.map(({ method, path }) => `${method} ${path}`)
  assert.equal(new Set(places).size, places.length)
  for (const endpoint of endpoints) assert.equal(Object.keys(endpoint.reply).length, 1, endpoint.id)
  assert.deepEqual(allHandlers.map(({ endpoint }) => endpoint.id).sort(), [...ids].sort())
})

test('the path of every endpoint names exactly its parameters', () => {
  for (const { path, params } of [...adminPortDocumented, ...tenantPortDocumented]) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    assert.deepEqual(Object.keys(params?.shape ?? {}), inPath, path)
  }
})

for (const [port, endpoints] of [
  ['admin', adminPortDocumented],
  ['tenant', tenantPortDocumented],
] as const) {
  test(`the ${port} port's document has every endpoint with its parameters and errors, and nothing else`, () => {
    const document = documentOf(endpoints)
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(documented.sort(), endpoints.map(({ method, path }) => `${method} ${path}`).sort())
    for (const endpoint of endpoints) {
      const operation = document.paths[endpoint.path]?.[endpoint.method.toLowerCase()]
      assert.ok(operation)
      const names = operation.parameters
        .filter((parameter) => parameter.in !== 'header')
        .map(({ name }) => name)
      const declared = [
        ...Object.keys(endpoint.params?.shape ?? {}),
        ...Object.keys(endpoint.query?.shape ?? {}),
      ]
      assert.deepEqual(names, declared)
      for (const code of errorsOf(endpoint)) {
        const { status } = ERRORS[code]
        assert.ok(operation.responses[status]?.description.includes(`\`${code}\``), `${endpoint.id} ${code}`)
      }
    }
  })

  test(`every reference in the ${port} port's document leads somewhere`, () => {
    const document = documentOf(endpoints)
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(
      (match) => match[1] ?? '',
    )
    assert.ok(references.length > 0)
    for (const reference of references) {
      const [, part = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec(reference) ?? []
      const there = z.record(z.string(), z.unknown()).parse(document.components[part])
      assert.ok(Object.hasOwn(there, name), reference)
    }
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      assert.match(name, /^[A-Z]\w+$/)
      assert.equal(z.looseObject({ type: z.string() }).parse(schema).type, 'object', name)
    }
  })
}

test('the tenant port documents no admin endpoint', () => {
  const document = documentOf(tenantPortDocumented)
  assert.ok(Object.keys(document.paths).every((path) => !path.startsWith('/admin')))
  assert.deepEqual(Object.keys(document.components.securitySchemes), ['ApiKey'])
})

test('each of two schemas has a name of its own, and two of one name are refused', () => {
  const { paths, components } = documentOf(tenantPortDocumented)
  assert.match(JSON.stringify(components.schemas['Usage']), /"total_cost_usd"/)
  assert.match(JSON.stringify(components.schemas['TokenUsage']), /"prompt_tokens_details"/)
  assert.match(JSON.stringify(paths['/v1/usage']), /schemas\/Usage"/)
  assert.match(JSON.stringify(paths['/v1/chat/completions']), /schemas\/TokenUsage"/)
  const twin = z.object({ other: z.string() }).meta({ id: 'Usage' })
  const second = { ...getUsage, path: '/v2/usage', reply: { 200: z.object({ twin }) } }
  assert.throws(() => documentOf([getUsage, second]), /two schemas have the id Usage/)
})

test('a body that may be left out is not required, any other is', () => {
  const { paths } = documentOf(adminPortDocumented)
  const required = (path: string, method: string) => paths[path]?.[method]?.requestBody?.required
  assert.equal(required('/admin/nodes/{cluster_name}/terminate', 'post'), false)
  assert.equal(required('/admin/nodes', 'post'), true)
  assert.equal(required('/admin/models/{id}', 'patch'), true)
  const inference = documentOf(tenantPortDocumented).paths['/v1/completions']?.['post']
  assert.equal(inference?.requestBody?.required, true)
})

test('/ready is documented with what it answers when it cannot serve', () => {
  for (const endpoints of [adminPortDocumented, tenantPortDocumented]) {
    const { responses } = documentOf(endpoints).paths['/ready']?.['get'] ?? {}
    assert.deepEqual(Object.keys(responses ?? {}), ['200', '500', '503'])
    assert.match(JSON.stringify(responses?.['503']?.content), /"unready","draining"/)
    assert.match(JSON.stringify(responses?.['503']?.content), /"parts"/)
    assert.doesNotMatch(responses?.['503']?.description ?? '', /Success/)
  }
})

test('numbers in queries are documented with their bounds and defaults', () => {
  const [limit] = documentOf(adminPortDocumented).paths['/admin/models']?.['get']?.parameters ?? []
  const schema = { type: 'integer', minimum: 1, maximum: 200, default: 50 }
  assert.deepEqual(limit, { name: 'limit', in: 'query', required: false, schema })
})

test('docs/errors.md has every error with its status, type and message, in the order of the table', () => {
  const text = readFileSync(join(packageRoot, 'docs/errors.md'), 'utf8')
  const rows = text.split('\n').flatMap((line) => {
    const cells = line.split('|').map((cell) => cell.trim())
    return /^\d{3}$/.test(cells[1] ?? '') ? [cells.slice(1, 5)] : []
  })
  const expected = Object.entries(ERRORS).map(([code, { status, type, message }]) => [
    String(status),
    `\`${code}\``,
    `\`${type}\``,
    message,
  ])
  assert.deepEqual(rows, expected)
})
