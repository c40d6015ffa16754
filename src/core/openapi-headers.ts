/** What the operations of the OpenAPI document share: headers, and how callers say who they are. */

export const SECURITY = {
  admin: {
    AdminToken: {
      type: 'apiKey',
      in: 'header',
      name: 'X-Admin-Token',
      description:
        'The root token or a named one. Of a named one the scope decides: `read` every GET, `operate` nodes,' +
        ' deployments and routes as well, `admin` everything.',
    },
  },
  node: {
    NodeToken: {
      type: 'http',
      scheme: 'bearer',
      description: "The token of the node that the path names; for the node's own agent alone.",
    },
  },
  key: {
    ApiKey: {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'clsk_…',
      description:
        "A tenant's API key: `clsk_live_…` of an environment named production, `clsk_test_…` of any other." +
        ' Its role decides: `admin` all of this API, `developer` inference and reading, `read-only` reading.',
    },
  },
  none: {},
} as const

const HEADERS = {
  'x-request-id': {
    description: 'Names this request: quote it when you report a failure.',
    schema: { type: 'string', format: 'uuid' },
  },
  etag: { description: 'The version of the row, for If-Match.', schema: { type: 'string' }, example: '"3"' },
  'retry-after': { description: 'Seconds after which to try again.', schema: { type: 'integer' } },
  'retry-after-ms': { description: 'The same in milliseconds.', schema: { type: 'integer' } },
}

export const REPLY_HEADERS = refs('x-request-id')
export const VERSION_HEADERS = refs('x-request-id', 'etag')
export const RETRY_HEADERS = refs('x-request-id', 'retry-after', 'retry-after-ms')

/** The headers that some operations refer to. */
export function headersIn(paths: object): Record<string, object> {
  const text = JSON.stringify(paths)
  return Object.fromEntries(Object.entries(HEADERS).filter(([name]) => text.includes(`/headers/${name}"`)))
}

function refs(...names: (keyof typeof HEADERS)[]): Record<string, { $ref: string }> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

export const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A repetition with the same key, credential and body gets the first success again, for 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}

export const IF_MATCH = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description:
    'The ETag of the version that is meant: when the row has changed since, nothing happens and the reply is a 412.',
  schema: { type: 'string' },
}
