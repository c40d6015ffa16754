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

export const REPLY_HEADERS = {
  'x-request-id': {
    description: 'Names this request: quote it when you report a failure.',
    schema: { type: 'string', format: 'uuid' },
  },
}

export const VERSION_HEADERS = {
  ...REPLY_HEADERS,
  etag: { description: 'The version of the row, for If-Match.', schema: { type: 'string' }, example: '"3"' },
}

export const RETRY_HEADERS = {
  ...REPLY_HEADERS,
  'retry-after': { description: 'Seconds after which to try again.', schema: { type: 'integer' } },
  'retry-after-ms': { description: 'The same in milliseconds.', schema: { type: 'integer' } },
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
