import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { adminPortDocumented, tenantPortDocumented } from '../../src/core/contract/contract.js'
import { TAGS } from '../../src/core/contract/tags.js'
import { ERRORS } from '../../src/core/errors.js'
import { openApiDocument } from '../../src/core/openapi.js'
import { mediaTypeOf } from '../../src/core/contract/endpoint.js'
import { exampleOf } from '../../src/core/openapi-examples.js'

const Content = z.record(
  z.string(),
  z.looseObject({
    example: z.unknown().optional(),
    examples: z.record(z.string(), z.looseObject({ $ref: z.string() })).optional(),
  }),
)
const Operation = z.looseObject({
  parameters: z.array(z.looseObject({ name: z.string(), in: z.string(), example: z.unknown().optional() })),
  requestBody: z.looseObject({ content: Content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: Content })),
})
const Document = z.looseObject({
  tags: z.array(z.looseObject({ name: z.string(), description: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ examples: z.record(z.string(), z.looseObject({ value: z.unknown() })) }),
})

const ErrorReply = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
  }),
})

for (const [port, endpoints] of [
  ['admin', adminPortDocumented],
  ['tenant', tenantPortDocumented],
] as const) {
  const document = Document.parse(
    openApiDocument({ title: 't', description: 'd', version: '1', endpoints: endpoints }),
  )
  const operationOf = (path: string, method: string) => {
    const operation = document.paths[path]?.[method.toLowerCase()]
    assert.ok(operation, `${method} ${path}`)
    return operation
  }

  test(`every body, reply and path of the ${port} port's document has an example that its own schema takes`, () => {
    const check = (place: string, schema: z.ZodType, example: unknown) => {
      assert.notEqual(example, undefined, place)
      const parsed = schema.safeParse(example)
      assert.ok(parsed.success, `${place}: ${JSON.stringify(example)}: ${parsed.error?.message}`)
    }
    for (const { id, path, method, params, body, bodyType, reply } of endpoints) {
      const operation = operationOf(path, method)
      if (body !== undefined) {
        check(`body of ${id}`, body, operation.requestBody?.content[mediaTypeOf(bodyType)]?.example)
      }
      for (const [status, schema] of Object.entries(reply)) {
        const [content] = Object.values(operation.responses[status]?.content ?? {})
        check(`${status} of ${id}`, schema, content?.example)
      }
      if (params === undefined) continue
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path')
      const values = Object.fromEntries(inPath.map(({ name, example }) => [name, example]))
      check(`path of ${id}`, params, values)
    }
  })

  test(`every error of the ${port} port's document has an example in the wire shape`, () => {
    let shown = 0
    for (const { id, path, method, reply } of endpoints) {
      for (const [status, { content }] of Object.entries(operationOf(path, method).responses)) {
        if (status in reply) continue
        const examples = Object.entries(content['application/json']?.examples ?? {})
        assert.ok(examples.length > 0, `${id} ${status}`)
        for (const [name, { $ref }] of examples) {
          const example = document.components.examples[$ref.slice('#/components/examples/'.length)]
          const { code, type } = ErrorReply.parse(example?.value).error
          const spec = Object.entries(ERRORS).find(([known]) => known === code)?.[1]
          assert.deepEqual([code, type, Number(status)], [name, spec?.type, spec?.status], id)
          shown++
        }
      }
    }
    assert.ok(shown > endpoints.length)
  })

  test(`every tag of the ${port} port's document says what it is about`, () => {
    for (const { name, description } of document.tags) {
      assert.ok(Object.hasOwn(TAGS, name), `src/core/contract/tags.ts does not describe '${name}'`)
      assert.equal(description, TAGS[name])
    }
  })
}

test('without an example of its own a schema gets the plainest value that it takes', () => {
  const example = (schema: z.ZodType) => exampleOf(z.toJSONSchema(schema, { io: 'input' }), {})
  assert.equal(example(z.number().int().min(5)), 5)
  assert.equal(example(z.number().positive().max(0.5)), 0.5)
  assert.equal(example(z.enum(['b', 'a'])), 'b')
  assert.equal(example(z.literal('x')), 'x')
  assert.equal(example(z.string().nullable()), 'text')
  assert.equal(example(z.boolean().default(false)), false)
  assert.deepEqual(example(z.strictObject({ a: z.string(), b: z.string().optional() })), { a: 'text' })
  const named = z.strictObject({
    a: z
      .string()
      .optional()
      .meta({ examples: ['x'] }),
    b: z.int(),
  })
  assert.deepEqual(example(named), { a: 'x', b: 1 })
})
