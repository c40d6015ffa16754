import { z } from 'zod'
import { type DocumentedEndpoint, honoursIfMatch, mediaTypeOf } from './contract/endpoint.js'
import { errorsOf, takesIdempotencyKey } from './contract/endpoint-errors.js'
import { TAGS } from './contract/tags.js'
import { ERRORS } from './errors.js'
import { errorExamples, exampleOf } from './openapi-examples.js'
import {
  IDEMPOTENCY_KEY,
  headersIn,
  IF_MATCH,
  REPLY_HEADERS,
  RETRY_HEADERS,
  SECURITY,
  VERSION_HEADERS,
} from './openapi-headers.js'

export interface DocumentOptions {
  readonly title: string
  readonly description: string
  readonly version: string
  readonly endpoints: readonly DocumentedEndpoint[]
  /** Default: wherever the document came from. */
  readonly serverUrl?: string | undefined
}

type Json = Record<string, unknown>

const EVENT_STREAM = 'text/event-stream'

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
    servers: [{ url: serverUrl, description: 'This gateway' }],
    tags: tagsOf(endpoints),
    paths,
    components: {
      schemas,
      securitySchemes,
      headers: headersIn(paths),
      examples: errorExamples(endpoints.flatMap(errorsOf)),
    },
  }
}

function tagsOf(endpoints: readonly DocumentedEndpoint[]): Json[] {
  const order = Object.keys(TAGS)
  const names = [...new Set(endpoints.map(({ tag }) => tag))]
  return names
    .toSorted((one, other) => order.indexOf(one) - order.indexOf(other))
    .map((name) => ({ name, description: TAGS[name] ?? name }))
}

function operation(endpoint: DocumentedEndpoint, schemas: Json): Json {
  const { id, summary, description, tag, params, query, body } = endpoint
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    parameters: [
      ...parameters(params, 'path', schemas),
      ...parameters(query, 'query', schemas),
      ...(takesIdempotencyKey(endpoint) ? [IDEMPOTENCY_KEY] : []),
      ...(endpoint.auth !== 'none' && honoursIfMatch(endpoint) ? [IF_MATCH] : []),
    ],
    ...(body !== undefined && {
      requestBody: {
        // No body is the empty object.
        required: !body.safeParse({}).success,
        content: { [mediaTypeOf(endpoint.bodyType)]: withExample(schemaOf(body, 'input', schemas), schemas) },
      },
    }),
    responses: { ...successes(endpoint, schemas), ...refusals(endpoint) },
    security: Object.keys(SECURITY[endpoint.auth]).map((scheme) => ({ [scheme]: [] })),
  }
}

function successes(endpoint: DocumentedEndpoint, schemas: Json): Json {
  const contentTypes = endpoint.inParts?.map((type) => type.replace(/;.*/, '')) ?? [contentTypeOf(endpoint)]
  const headers =
    endpoint.versioned === true && endpoint.method !== 'DELETE' ? VERSION_HEADERS : REPLY_HEADERS
  const responses: Json = {}
  for (const [status, schema] of Object.entries(endpoint.reply)) {
    const shown = withExample(schemaOf(schema, 'output', schemas), schemas)
    const content: Json = Object.fromEntries(contentTypes.map((type) => [type, shown]))
    if (endpoint.streams === true) content[EVENT_STREAM] = { schema: { type: 'string' } }
    const description = Number(status) < 400 ? 'Success' : 'It cannot serve at the moment'
    responses[status] = { description, headers, content }
  }
  return responses
}

function contentTypeOf(endpoint: DocumentedEndpoint): string {
  if (endpoint.follows === true) return EVENT_STREAM
  return (endpoint.auth === 'none' ? endpoint.contentType : undefined) ?? mediaTypeOf(endpoint.replyType)
}

function withExample(schema: Json, schemas: Json): Json {
  return { schema, example: exampleOf(schema, schemas) }
}

/** The error replies: of each status the codes that it comes with, and an example of each. */
function refusals(endpoint: DocumentedEndpoint): Json {
  const responses: Json = {}
  const errors = errorsOf(endpoint)
  for (const status of new Set(errors.map((code) => ERRORS[code].status))) {
    const codes = errors.filter((code) => ERRORS[code].status === status)
    responses[String(status)] = {
      description: codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
      headers: status === 429 || status === 503 ? RETRY_HEADERS : REPLY_HEADERS,
      content: {
        'application/json': {
          schema: { allOf: [ERROR_REF, errorSchema(codes)] },
          examples: Object.fromEntries(
            codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
          ),
        },
      },
    }
  }
  return responses
}

const ERROR_REF = { $ref: '#/components/schemas/Error' }

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
    // In a query it would stand in the way: who tries the request out does not want every filter set.
    ...(place === 'path' && { example: exampleOf(type, schemas) }),
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
