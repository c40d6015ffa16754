import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type AdminEndpoint, type NodeEndpoint, scopeOf } from '../../../src/core/contract/endpoint.js'
import type { ErrorCode } from '../../../src/core/errors.js'
import type { Call } from '../calls/call.js'
import { type ContractPort, modelBody } from '../contract-port.js'

/** What is mounted on the admin port. */
export type RefusingEndpoint = AdminEndpoint | NodeEndpoint

/** Beyond the 1 MiB that a body may have. */
const TOO_LARGE = `{"name":"${'x'.repeat(1024 * 1024)}"}`

type Refuse = (endpoint: RefusingEndpoint, call: Call, port: ContractPort) => Call[] | Promise<Call[]>

/**
 * Turn a call that succeeds into those that are refused with an error which all endpoints of a kind share. None where
 * an endpoint has to be refused in its own way.
 */
export const SHARED_REFUSALS: Readonly<Partial<Record<ErrorCode, Refuse>>> = {
  invalid_admin_token: ({ auth }, call) => [
    withHeaders(call, auth === 'node' ? { authorization: 'Bearer wrong' } : { 'x-admin-token': 'wrong' }),
  ],
  scope_not_allowed: (endpoint, call) =>
    endpoint.auth === 'node'
      ? []
      : [withHeaders(call, { 'x-admin-token': scopeOf(endpoint) === 'admin' ? 'operate' : 'read' })],
  invalid_json: (_, call) => [{ ...call, body: '{"name":' }],
  body_too_large: (_, call) => [{ ...call, body: TOO_LARGE }],
  unknown_parameter: (_, call) => [withQuery(call, 'nmae=1'), withField(call, 'nmae', 1)],
  invalid_parameter: wrongParameters,
  precondition_failed: (_, call) => [withHeaders(call, { 'if-match': '"999999"' })],
  not_supported: (_, call) => [withHeaders(call, { 'if-match': '"1"' })],
  not_found: (endpoint, call) =>
    pathsWith(endpoint, call, (value) => (UUID.test(value) ? randomUUID() : 'no-such-name')),
  async idempotency_mismatch({ auth }, call, port) {
    const key = { 'idempotency-key': randomUUID() }
    // Both by the same caller: a node has no other calls than these.
    if (auth === 'node') {
      await port.send('POST', call.path, call.body, { ...call.headers, ...key })
      return [withHeaders({ ...call, body: `${JSON.stringify(call.body)} ` }, key)]
    }
    await port.send('POST', '/admin/models', modelBody(), key)
    return [withHeaders(call, key)]
  },
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

function withHeaders(call: Call, headers: Record<string, string>): Call {
  return { ...call, headers: { ...call.headers, ...headers } }
}

function withQuery(call: Call, query: string): Call {
  return { ...call, path: `${call.path}${call.path.includes('?') ? '&' : '?'}${query}` }
}

const Fields = z.record(z.string(), z.unknown())

/** The call with a field of its body replaced. */
function withField(call: Call, name: string, value: unknown): Call {
  return { ...call, body: { ...Fields.parse(call.body ?? {}), [name]: value } }
}

/** Every path parameter, query parameter and field of the body in turn, with a value that none of them takes. */
function wrongParameters(endpoint: RefusingEndpoint, call: Call): Call[] {
  // What a node's path names has to prove that it is that node, before anything else.
  const inPath = endpoint.auth === 'node' ? [] : pathsWith(endpoint, call, () => '%20')
  const [path = ''] = call.path.split('?')
  const inQuery = Object.keys(endpoint.query?.shape ?? {}).map((name) => ({
    ...call,
    path: `${path}?${name}=%00`,
  }))
  const inBody = fieldsOf(endpoint).flatMap(([name, { takesAnything }]) =>
    takesAnything ? [] : [withField(call, name, [[]])],
  )
  return [withQuery(call, 'twice=1&twice=2'), ...inPath, ...inQuery, ...inBody]
}

const Field = z
  .looseObject({
    type: z.unknown().optional(),
    anyOf: z.array(z.unknown()).optional(),
    enum: z.unknown().optional(),
  })
  .transform((schema) => ({
    takesAnything: schema.type === undefined && schema.anyOf === undefined && schema.enum === undefined,
  }))

/** Name and kind of each field of the body. */
function fieldsOf({ body }: RefusingEndpoint): [string, z.output<typeof Field>][] {
  if (body === undefined) return []
  const schema = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' })
  // A schema with an id stands among the definitions, and the root only refers to it.
  const root = schema.$defs?.[schema.$ref?.split('/').at(-1) ?? ''] ?? schema
  return Object.entries(z.object({ properties: z.record(z.string(), Field) }).parse(root).properties)
}

/** The call with each parameter of its path in turn replaced by another value. */
function pathsWith(
  { path: template }: RefusingEndpoint,
  call: Call,
  value: (before: string) => string,
): Call[] {
  const [path = '', ...query] = call.path.split('?')
  const segments = path.split('/')
  return template.split('/').flatMap((segment, index) => {
    if (!segment.startsWith('{')) return []
    const replaced = segments.with(index, value(segments[index] ?? '')).join('/')
    return [{ ...call, path: [replaced, ...query].join('?') }]
  })
}
