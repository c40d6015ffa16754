import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { z } from 'zod'

/** What a fuzz run knows of a port: its OpenAPI document, and nothing else. */

const Response = z.looseObject({
  headers: z.record(z.string(), z.unknown()).default({}),
  content: z.record(z.string(), z.looseObject({})),
})
const Parameter = z.looseObject({
  name: z.string(),
  in: z.enum(['path', 'query', 'header']),
  schema: z.looseObject({}),
})
const DocumentedOperation = z.looseObject({
  operationId: z.string(),
  parameters: z.array(Parameter),
  requestBody: z
    .looseObject({ content: z.record(z.string(), z.looseObject({ schema: z.looseObject({}) })) })
    .optional(),
  responses: z.record(z.string(), Response),
  security: z.array(z.record(z.string(), z.unknown())),
})
const Document = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), DocumentedOperation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
})

export type Parameter = z.infer<typeof Parameter>
export type Schemas = Readonly<Record<string, unknown>>

export interface DeclaredReply {
  /** Names of the headers that it comes with. */
  readonly headers: readonly string[]
  /** By content type. @returns what is wrong with a body, null: nothing */
  readonly check: Readonly<Record<string, (body: unknown) => string | null>>
}

export interface Operation {
  readonly id: string
  /** Of the port. */
  readonly origin: string
  readonly method: string
  /** In OpenAPI form. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  /** Null: it takes none. */
  readonly body: object | null
  /** Schemas that the others refer to. */
  readonly schemas: Schemas
  /** Name of the security scheme of its credential; null: it needs none. */
  readonly scheme: string | null
  /** By status. */
  readonly replies: Readonly<Record<string, DeclaredReply>>
}

/** Reads the document of a port, which is at `origin`. */
export async function operationsOf(origin: string): Promise<Operation[]> {
  const json: unknown = await (await fetch(`${origin}/openapi.json`)).json()
  const { paths, components } = Document.parse(json)
  const ajv = new Ajv2020({ strict: false, validateSchema: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(z.looseObject({}).parse(json), 'document')

  const checkAt = (pointer: readonly string[]) => {
    const escaped = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
    const validate = ajv.compile({ $ref: `document#/${escaped.map(encodeURIComponent).join('/')}` })
    return (body: unknown) => (validate(body) ? null : ajv.errorsText(validate.errors))
  }
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const { operationId: id, parameters, requestBody, responses, security } = operation
      const replies = Object.entries(responses).map(([status, { headers, content }]) => {
        const place = ['paths', path, method, 'responses', status, 'content']
        const check = Object.keys(content).map((type) => [type, checkAt([...place, type, 'schema'])])
        return [status, { headers: Object.keys(headers), check: Object.fromEntries(check) as unknown }]
      })
      return {
        id,
        origin,
        method: method.toUpperCase(),
        path,
        parameters,
        body: Object.values(requestBody?.content ?? {})[0]?.schema ?? null,
        schemas: components.schemas,
        scheme: Object.keys(security[0] ?? {})[0] ?? null,
        replies: Object.fromEntries(replies) as Operation['replies'],
      }
    }),
  )
}
