import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ApiError } from '../../src/core/client/client.js'
import { packageRoot } from '../../src/io/package-root.js'
import { startContractPort } from '../support/contract-port.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const run = promisify(execFile)

const LLAMA = {
  name: 'llama',
  family: 'llama',
  type: 'chat',
  context_length: 8192,
  vram_required_gb: 24,
  price_input_per_million: 0.15,
  price_output_per_million: 0.6,
} as const

test('the client creates once, lists, changes what it has seen, and is told what it did wrong', async () => {
  await using port = await startContractPort()
  const { models, tenants } = port.client

  const created = await models.create({ body: LLAMA, idempotencyKey: 'llama' })
  const again = await models.create({ body: LLAMA, idempotencyKey: 'llama' })
  assert.deepEqual([created.status, again.body, again.etag], [201, created.body, created.etag])
  assert.notEqual(again.requestId, created.requestId)

  const params = { id: created.body.id }
  const seen = await models.get({ params })
  const changed = await models.patch({ params, body: { family: 'qwen' }, ifMatch: seen.etag ?? '' })
  assert.equal(changed.body.family, 'qwen')
  const stale = await models.delete({ params, ifMatch: seen.etag ?? '' }).catch((error: unknown) => error)
  assert.ok(stale instanceof ApiError)
  assert.deepEqual([stale.status, stale.code, stale.param], [412, 'precondition_failed', 'If-Match'])
  assert.ok(stale.requestId)

  const { body } = await models.list({ query: { family: 'qwen', sort: 'name' } })
  assert.deepEqual([body.data.map(({ name }) => name), body.pagination.total], [['llama'], 1])
  const wrong = await tenants.create({ body: { name: ' ', email: 'x' } }).catch((error: unknown) => error)
  assert.ok(wrong instanceof ApiError)
  assert.deepEqual([wrong.status, wrong.code, wrong.param], [400, 'invalid_parameter', 'name'])
})

const CONSUMER = `
import { ApiError, createAdminClient, type Admin } from 'crosslogic-gateway/client'

const client = createAdminClient({ baseUrl: process.argv[2] ?? '', adminToken: 'root' })
const { body, etag } = await client.models.create({ body: ${JSON.stringify(LLAMA)} })
const model: Admin.Model = body
const price: number = model.price_input_per_million
try {
  await client.nodes.get({ params: { cluster_name: 'nowhere' } })
} catch (error) {
  if (!(error instanceof ApiError)) throw error
  const code: string = error.code
  console.log(JSON.stringify([model.name, price, etag, error.status, code, error.param]))
}
// @ts-expect-error a model has a family
const incomplete = () => client.models.create({ body: { name: 'x' } })
// @ts-expect-error there is no such parameter
const unknown = () => client.models.list({ query: { nmae: 'x' } })
// @ts-expect-error what creates has no version to match
const matching = () => client.models.create({ body: ${JSON.stringify(LLAMA)}, ifMatch: '"1"' })
void [incomplete, unknown, matching]
`

test('a program of another package compiles against the built client and calls a port with it', async () => {
  await using port = await startContractPort()
  await using folder = await temporaryFolder()
  await mkdir(join(folder.path, 'node_modules'))
  await symlink(packageRoot, join(folder.path, 'node_modules/crosslogic-gateway'))
  await writeFile(join(folder.path, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder.path, 'consumer.ts'), CONSUMER)
  // Without the types of Node: where the client runs is for its user to say.
  await writeFile(join(folder.path, 'platform.d.ts'), 'declare const process: { argv: string[] }\n')
  const options = ['--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--module', 'nodenext']
  await run(
    process.execPath,
    [
      join(packageRoot, 'node_modules/typescript/bin/tsc'),
      ...options,
      ...['--lib', 'es2023,dom', '--ignoreConfig', 'consumer.ts', 'platform.d.ts'],
    ],
    { cwd: folder.path },
  ).catch((error: unknown) => {
    throw error instanceof Error && 'stdout' in error ? new Error(String(error.stdout)) : error
  })
  const { stdout } = await run(process.execPath, ['consumer.js', port.url], { cwd: folder.path })
  assert.deepEqual(JSON.parse(stdout), ['llama', 0.15, '"1"', 404, 'not_found', 'cluster_name'])
})
