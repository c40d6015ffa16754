import { z } from 'zod'
import { type DocumentedEndpoint, honoursIfMatch } from './contract/endpoint.js'
import { type ErrorCode, ERRORS } from './errors.js'

export interface DocumentOptions {
  readonly title: string
  readonly description: string
  readonly version: string
  readonly endpoints: readonly DocumentedEndpoint[]
  /** Default: wherever the document came from. */
  readonly serverUrl?: string | undefined
}

type Json = Record<string, unknown>

const SECURITY = {
  admin: { AdminToken: { type: 'apiKey', in: 'header', name: 'X-Admin-Token' } },
  node: {
    NodeToken: {
      type: 'http',
      scheme: 'bearer',
      description: "The token of the node that the path names; for the node's own agent alone.",
    },
  },
  key: { ApiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'clsk_…' } },
  none: {},
} as const

/** The OpenAPI 3.1 document of some endpoints, derived from their declarations. */
export function openApiDocument(options: DocumentOptions): Json {
  const { title, description, version, endpoints, serverUrl = '/' } = options
  const schemas: Json = { Error: errorSchema(Object.keys(ERRORS)) }
  const paths: Record<string, Json> = {}
  const securitySchemes: Json = {}
  for (const endpoint of endpoints) {
    const path = (paths[endpoint.path] ??= {})
    path[endpoint.method.toLowerCase()] = operation(endpoint, schemas)
    Object.assign(securitySchemes, SECURITY[endpoint.auth])
  }
  return {
    openapi: '3.1.0',
    info: { title, version, description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: serverUrl }],
    tags: [...new Set(endpoints.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: { schemas, securitySchemes },
  }
}

/** Every error that an endpoint can answer: what it declares and what all of its kind share. */
export function errorsOf(endpoint: DocumentedEndpoint): ErrorCode[] {
  const codes = new Set<ErrorCode>(endpoint.errors)
  const add = (...more: ErrorCode[]) => {
    for (const code of more) codes.add(code)
  }
  add('internal_error')
  if (endpoint.auth === 'none') return [...codes]
  add('invalid_parameter', 'unknown_parameter', 'not_supported', 'overloaded')
  if (honoursIfMatch(endpoint)) add('precondition_failed')
  if (endpoint.auth === 'admin') add('invalid_admin_token', 'scope_not_allowed')
  else if (endpoint.auth === 'node') add('invalid_admin_token')
  else add('invalid_api_key', 'auth_unavailable', 'role_not_allowed', 'tenant_suspended')
  if (endpoint.body !== undefined) add('invalid_json', 'body_too_large')
  if (endpoint.method === 'POST' && !endpoint.id.startsWith('inference.')) add('idempotency_mismatch')
  return [...codes].sort((one, other) => ERRORS[one].status - ERRORS[other].status)
}

function operation(endpoint: DocumentedEndpoint, schemas: Json): Json {
  const { id, summary, description, tag, params, query, body } = endpoint
  const contentType = contentTypeOf(endpoint)
  const responses: Json = {}
  for (const [status, schema] of Object.entries(endpoint.reply)) {
    const content: Json = { [contentType]: { schema: schemaOf(schema, 'output', schemas) } }
    if (endpoint.streams === true) content['text/event-stream'] = { schema: { type: 'string' } }
    const title = Number(status) < 400 ? 'Success' : 'It cannot serve at the moment'
    const headers =
      endpoint.versioned === true && endpoint.method !== 'DELETE' ? VERSION_HEADERS : REPLY_HEADERS
    responses[status] = { description: title, headers, content }
  }
  const errors = errorsOf(endpoint)
  for (const status of new Set(errors.map((code) => ERRORS[code].status))) {
    const codes = errors.filter((code) => ERRORS[code].status === status)
    responses[String(status)] = {
      description: codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
      headers: REPLY_HEADERS,
      content: { 'application/json': { schema: { allOf: [ERROR_REF, errorSchema(codes)] } } },
    }
  }
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    parameters: [
      ...parameters(params, 'path', schemas),
      ...parameters(query, 'query', schemas),
      ...(endpoint.auth !== 'none' && endpoint.method === 'POST' && tag !== 'Inference'
        ? [IDEMPOTENCY_KEY]
        : []),
      ...(endpoint.auth !== 'none' && honoursIfMatch(endpoint) ? [IF_MATCH] : []),
    ],
    ...(body !== undefined && {
      requestBody: {
        // No body is the empty object.
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: schemaOf(body, 'input', schemas) } },
      },
    }),
    responses,
    security: Object.keys(SECURITY[endpoint.auth]).map((scheme) => ({ [scheme]: [] })),
  }
}

function contentTypeOf(endpoint: DocumentedEndpoint): string {
  if (endpoint.follows === true) return 'text/event-stream'
  return endpoint.auth === 'none' ? (endpoint.contentType ?? 'application/json') : 'application/json'
}

const REPLY_HEADERS = { 'x-request-id': { schema: { type: 'string', format: 'uuid' } } }
const VERSION_HEADERS = {
  ...REPLY_HEADERS,
  etag: { description: 'The version of the row, for If-Match.', schema: { type: 'string' } },
}
const ERROR_REF = { $ref: '#/components/schemas/Error' }
const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A repetition with the same key, credential and body gets the first success again, for 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}

const IF_MATCH = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description:
    'The ETag of the version that is meant: when the row has changed since, nothing happens and the reply is a 412.',
  schema: { type: 'string' },
}

function errorSchema(codes: readonly string[]): Json {
  const properties = {
    message: { type: 'string' },
    type: { type: 'string' },
    param: { type: ['string', 'null'] },
    code: { type: 'string', enum: codes },
  }
  return {
    type: 'object',
    required: ['error'],
    properties: { error: { type: 'object', required: Object.keys(properties), properties } },
  }
}

const ObjectSchema = z.looseObject({
  properties: z.record(z.string(), z.looseObject({ description: z.string().optional() })).default({}),
  required: z.array(z.string()).default([]),
})

function parameters(schema: z.ZodObject | undefined, place: 'path' | 'query', schemas: Json): Json[] {
  if (schema === undefined) return []
  const { properties, required } = ObjectSchema.parse(schemaOf(schema, 'input', schemas))
  return Object.entries(properties).map(([name, { description, ...type }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema: type,
  }))
}

/** A schema as JSON Schema; schemas with an id of their own become components. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', schemas: Json): Json {
  const { $defs, ...root } = componentRefs(z.toJSONSchema(schema, { io, unrepresentable: 'any' }))
  for (const [name, definition] of Object.entries(
    z.record(z.string(), z.looseObject({})).parse($defs ?? {}),
  )) {
    const component = bare(definition)
    const other = schemas[name]
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(component)) {
      throw new Error(`two schemas have the id ${name}`)
    }
    schemas[name] = component
  }
  // A schema with an id has been moved to the definitions, and the root only refers to it.
  return bare(root)
}

/** Turns references within the schema into references within the document. */
function componentRefs(schema: object): Json {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')
  return z.looseObject({}).parse(JSON.parse(text))
}

function bare({ $schema: _schema, id: _id, ...schema }: Json): Json {
  return schema
}
