import { format, resolveConfig } from 'prettier'
import { z } from 'zod'
import type { Endpoint } from '../../src/core/contract/endpoint.js'
import { honoursIfMatch } from '../../src/core/contract/endpoint.js'
import { takesIdempotencyKey } from '../../src/core/contract/endpoint-errors.js'
import { adminPortEndpoints, tenantClientEndpoints } from '../../src/core/contract/contract.js'
import { ERRORS } from '../../src/core/errors.js'
import { openApiDocument } from '../../src/core/openapi.js'
import { comment, typeOf } from './typescript-of-schema.js'

const Content = z.record(z.string(), z.looseObject({ schema: z.unknown() }))
const Operation = z.looseObject({
  parameters: z.array(
    z.looseObject({
      name: z.string(),
      in: z.string(),
      required: z.boolean(),
      description: z.string().optional(),
      schema: z.looseObject({}),
    }),
  ),
  requestBody: z.looseObject({ required: z.boolean(), content: Content }).optional(),
  responses: z.record(z.string(), z.looseObject({ content: Content })),
})
type Operation = z.infer<typeof Operation>
const Document = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
})

const NOTICE = '// Made from the contract by `npm run generate`: change that instead.\n'

const JSON_TYPE = 'application/json'

/** The generated files of the client by path from the package's root, formatted as all others are. */
export async function clientSources(): Promise<Map<string, string>> {
  const codes = Object.keys(ERRORS).map((code) => JSON.stringify(code))
  const sources = {
    'src/core/client/admin-api.ts': apiSource('Admin', adminPortEndpoints),
    'src/core/client/tenant-api.ts': apiSource('Tenant', tenantClientEndpoints),
    'src/core/client/error-code.ts': `${NOTICE}\nexport type ErrorCode = ${codes.join(' | ')}\n`,
  }
  const formatted = new Map<string, string>()
  for (const [path, source] of Object.entries(sources)) {
    formatted.set(path, await format(source, { ...(await resolveConfig(path)), filepath: path }))
  }
  return formatted
}

function apiSource(port: 'Admin' | 'Tenant', endpoints: readonly Endpoint[]): string {
  const document = Document.parse(
    openApiDocument({ title: port, description: port, version: '1', endpoints }),
  )
  const { Error: _, ...schemas } = document.components.schemas
  const types = Object.entries(schemas).map(([name, schema]) => {
    const { description } = z.looseObject({ description: z.string().optional() }).parse(schema)
    return `${comment(description)}export interface ${name} ${typeOf(schema, 'received')}\n`
  })
  const resources = new Map<string, Endpoint[]>()
  for (const endpoint of endpoints) {
    const [resource] = nameOf(endpoint)
    resources.set(resource, [...(resources.get(resource) ?? []), endpoint])
  }
  const methods = [...resources].map(([resource, members]) => {
    const signatures = members.map((endpoint) => {
      const operation = document.paths[endpoint.path]?.[endpoint.method.toLowerCase()]
      if (operation === undefined) throw new Error(`${endpoint.id} is not in the document`)
      return signature(endpoint, operation)
    })
    return `readonly ${resource}: {\n${signatures.join('\n')}\n}`
  })
  const table = [...resources].map(([resource, members]) => {
    const rows = members.map(
      (endpoint) => `${nameOf(endpoint)[1]}: ['${endpoint.method}', '${endpoint.path}'],`,
    )
    return `${resource}: {\n${rows.join('\n')}\n},`
  })
  return [
    NOTICE,
    "import type { ApiReply, CallOptions, Conditional, Repeatable } from './call.js'\n",
    ...types,
    `export interface ${port}Api {\n${methods.join('\n')}\n}\n`,
    `export const ${port.toUpperCase()}_OPERATIONS = {\n${table.join('\n')}\n} as const\n`,
  ]
    .filter((part) => part !== '')
    .join('\n')
    .replace(/import type \{ ([^}]*) \}/, (whole, names: string) => usedImports(whole, names, methods))
}

/** Only what the methods mention: an import that nothing uses is an error. */
function usedImports(whole: string, names: string, methods: readonly string[]): string {
  const used = names.split(', ').filter((name) => methods.some((text) => text.includes(name)))
  return whole.replace(names, used.join(', '))
}

/** A member of what a method takes. */
interface Member {
  readonly text: string
  readonly required: boolean
}

function signature(endpoint: Endpoint, operation: Operation): string {
  const part = (place: string) => operation.parameters.filter((parameter) => parameter.in === place)
  const members = [...parametersMember('params', part('path')), ...parametersMember('query', part('query'))]
  const { requestBody } = operation
  if (requestBody !== undefined) {
    const [[mediaType, { schema }] = ['', { schema: true }]] = Object.entries(requestBody.content)
    const type = typeOf(schema, 'sent')
    // JSON is YAML too: such a body may be the text or what it says.
    members.push(member('body', mediaType === JSON_TYPE ? type : `${type} | string`, requestBody.required))
  }
  const kinds = [
    ...(members.length === 0 ? [] : [`{ ${members.map(({ text }) => text).join('; ')} }`]),
    ...(honoursIfMatch(endpoint) ? ['Conditional'] : []),
    ...(takesIdempotencyKey(endpoint) ? ['Repeatable'] : []),
    'CallOptions',
  ]
  const [success] = Object.values(operation.responses)
  const [[mediaType, { schema }] = [JSON_TYPE, { schema: true }]] = Object.entries(success?.content ?? {})
  const reply = mediaType === JSON_TYPE ? typeOf(schema, 'received') : 'string'
  const [, name] = nameOf(endpoint)
  const about = comment(`${endpoint.summary}. \`${endpoint.method} ${endpoint.path}\``)
  const optional = members.some(({ required }) => required) ? '' : '?'
  return `${about}${name}(request${optional}: ${kinds.join(' & ')}): Promise<ApiReply<${reply}>>`
}

function member(name: string, type: string, required: boolean): Member {
  const text = required ? `readonly ${name}: ${type}` : `readonly ${name}?: ${type} | undefined`
  return { text, required }
}

/** The object of path or query parameters; nothing when there are none. */
function parametersMember(name: string, parameters: Operation['parameters']): Member[] {
  if (parameters.length === 0) return []
  const required = parameters.filter((parameter) => parameter.required).map((parameter) => parameter.name)
  const properties = parameters.map(({ name: key, schema, description }) => [key, { ...schema, description }])
  const schema = { type: 'object', properties: Object.fromEntries(properties) as unknown, required }
  return [member(name, typeOf(schema, 'sent'), required.length > 0)]
}

/** Resource and method of an endpoint's id: `tenant-api-keys.list` → tenantApiKeys, list. */
function nameOf({ id }: Endpoint): [string, string] {
  const [resource = '', method = ''] = id
    .split('.')
    .map((part) => part.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()))
  return [resource, method]
}
