import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FuzzReply, wrongWith } from '../support/fuzz/replies.js'
import type { FuzzRequest } from '../support/fuzz/requests.js'

const headers = {
  'x-request-id': '0199c5d2-7b3e-7f1a-9c4d-2e8f5a6b7c8d',
  'content-type': 'application/json',
}
const declared = {
  headers: ['x-request-id'],
  check: { 'application/json': (body: unknown) => (JSON.stringify(body) === '{"no":1}' ? 'no' : null) },
}
const request: FuzzRequest = {
  operation: {
    id: 'models.list',
    origin: '',
    method: 'GET',
    path: '/admin/models',
    parameters: [],
    body: null,
    schemas: {},
    scheme: 'AdminToken',
    replies: { 200: { ...declared, headers: ['x-request-id', 'etag'] }, 400: declared, 409: declared },
  },
  method: 'GET',
  places: {},
  suffix: '',
  query: '',
  credential: 'right',
  headers: {},
  body: null,
}
const error = (status: number, changes: object): FuzzReply => {
  const body = { message: 'No.', type: 'invalid_request_error', param: 'name', code: 'invalid_parameter' }
  return { status, headers, text: JSON.stringify({ error: { ...body, ...changes } }) }
}
const ok: FuzzReply = { status: 200, headers: { ...headers, etag: '"1"' }, text: '{}' }

test('a fuzz run finds a reply that is not as documented', () => {
  assert.equal(wrongWith(request, ok), null)
  assert.equal(wrongWith(request, error(400, {})), null)
  const found = (reply: FuzzReply, problem: RegExp, changes: object = {}) => {
    assert.match(wrongWith({ ...request, ...changes }, reply) ?? 'nothing', problem)
  }
  found({ ...ok, status: 503 }, /^a 503$/)
  found({ ...ok, headers: { 'content-type': 'application/json' } }, /no x-request-id/)
  found({ ...ok, headers }, /no etag/)
  found({ ...ok, status: 201 }, /the status 201/)
  found({ ...ok, text: '{"no":1}' }, /not as documented: no/)
  found({ ...ok, headers: { ...ok.headers, 'content-type': 'text/html' } }, /content type text\/html/)
  found({ ...error(400, {}), text: '{"error":"no"}' }, /wire shape/)
  found(error(409, {}), /invalid_parameter with the status 409/)
  found(error(400, { code: 'already_exists' }), /already_exists with the status 400/)
  found(error(400, { code: 'unknown_parameter', param: null }), /without a param/)
  for (const message of ['syntax: SELECT 1', 'connect to 127.0.0.1', 'x\n    at y', 'violates it']) {
    found(error(400, { message }), /what is inside/)
  }
  found({ ...error(405, { code: 'method_not_allowed' }) }, /without allow/, { method: 'PUT' })
})
