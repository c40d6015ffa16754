import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { packageRoot } from '../../src/io/package-root.js'
import { clientSources } from '../generate/client-source.js'
import { typeOf } from '../generate/typescript-of-schema.js'

test('the generated files of the client are those of the contract: else run `npm run generate`', async () => {
  for (const [path, source] of await clientSources()) {
    const written = await readFile(join(packageRoot, path), 'utf8')
    assert.ok(written === source, `${path} is not what \`npm run generate\` makes of the contract`)
  }
})

test('the client imports nothing but its own files', async () => {
  const folder = join(packageRoot, 'dist/src/core/client')
  for (const name of (await readdir(folder)).filter((file) => /\.(js|d\.ts)$/.test(file))) {
    const source = await readFile(join(folder, name), 'utf8')
    for (const [, from] of source.matchAll(/from ['"]([^'"]+)['"]/g)) {
      assert.match(from ?? '', /^\.\/[\w-]+\.js$/, name)
    }
  }
})

test('schemas become types', () => {
  const type = (schema: z.ZodType, direction: 'sent' | 'received' = 'received') =>
    typeOf(
      z.toJSONSchema(schema, { io: direction === 'sent' ? 'input' : 'output', unrepresentable: 'any' }),
      direction,
    ).replaceAll(/\s+/g, ' ')
  assert.equal(type(z.string().regex(/a/).regex(/b/)), 'string')
  assert.equal(type(z.enum(['a', 'b']).nullable()), '"a" | "b" | null')
  assert.equal(type(z.int().nullable()), 'number | null')
  assert.equal(type(z.array(z.string().nullable())), '(string | null)[]')
  assert.equal(type(z.array(z.string()), 'sent'), 'readonly (string)[]')
  assert.equal(type(z.record(z.string(), z.number())), 'Record<string, number>')
  assert.equal(type(z.unknown()), 'unknown')
  assert.equal(type(z.object({})), 'Record<string, never>')
  assert.equal(type(z.object({ a: z.literal(1), 'b-c': z.boolean().optional() })), '{ a: 1 "b-c"?: boolean }')
  const sent = z.strictObject({ a: z.string().default('x').meta({ description: 'An */ a.' }) })
  assert.equal(type(sent, 'sent'), '{ /** An * / a. */ readonly a?: string | undefined }')
})
