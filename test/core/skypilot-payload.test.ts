import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  readClusters,
  readEndpoint,
  readErrorReply,
  readFailedRequest,
  readHealth,
  readJobId,
  readJobStage,
  readRequest,
  readRequests,
  requestEnd,
} from '../../src/core/skypilot-payload.js'

const payload = {
  request_id: '5f4dcc3b-5aa7-4d61-8a7c-8b1f0a2f3c4d',
  name: 'sky.launch',
  entrypoint: 'cGlja2xl',
  request_body: 'cGlja2xl',
  status: 'SUCCEEDED',
  return_value: '{"job_id": 1, "handle": "cGlja2xl"}',
  error: 'null',
  pid: 7,
  created_at: 1_760_000_000.5,
  schedule_type: 'long',
  user_id: 'u',
  cluster_name: 'cic-1',
  status_msg: null,
  should_retry: false,
  finished_at: 1_760_000_100,
  file_mounts_blob_id: null,
}

function endOf(change: object) {
  const request = readRequest({ ...payload, ...change })
  assert.ok(request !== null)
  return requestEnd(request)
}

test('reads the result inside the payload', () => {
  const end = endOf({})
  assert.equal(end.end === 'succeeded' ? readJobId(end.value) : null, 1)
  assert.deepEqual(endOf({ return_value: 'null' }), { end: 'succeeded', value: null })
  assert.deepEqual(endOf({ return_value: '{' }), { end: 'unreadable' })
})

test('an error is its type and message, and no pickle', () => {
  const error = JSON.stringify({ object: 'cGlja2xl', type: 'ResourcesUnavailableError', message: 'none' })
  const failed = { end: 'failed', type: 'ResourcesUnavailableError', message: 'none' }
  assert.deepEqual(endOf({ status: 'FAILED', error }), failed)
  const request = readFailedRequest(JSON.stringify({ detail: { ...payload, status: 'FAILED', error } }))
  assert.deepEqual(request === null ? null : requestEnd(request), failed)
  const unsaid = { end: 'failed', type: null, message: 'no reason was given' }
  assert.deepEqual(endOf({ status: 'FAILED', error: '{' }), unsaid)
})

test('a request that was cancelled, lost or has an unknown status', () => {
  assert.deepEqual(endOf({ status: 'CANCELLED' }), { end: 'cancelled' })
  assert.deepEqual(endOf({ status: 'CANCELLED', should_retry: true }), { end: 'lost' })
  for (const status of ['PENDING', 'WAITING', 'RUNNING', 'SOMETHING_NEW'])
    assert.deepEqual(endOf({ status, should_retry: true }), { end: 'unfinished' })
})

test('whatever an error reply holds, its input and its stack are not read', () => {
  const detail = { type: 'ValueError', message: 'bad', args: ['secret'], stacktrace: 'secret' }
  assert.deepEqual(readErrorReply(JSON.stringify({ detail })), { type: 'ValueError', message: 'bad' })
  const issues = [{ type: 'missing', loc: ['body', 'task'], msg: 'Field required', input: 'secret' }]
  const said = { type: null, message: 'body.task: Field required' }
  assert.deepEqual(readErrorReply(JSON.stringify({ detail: issues })), said)
  assert.deepEqual(readErrorReply('{"detail":"no"}'), { type: null, message: 'no' })
  assert.equal(readErrorReply('<html>'), null)
})

test('clusters with what is needed of them, whatever else they have', () => {
  const [cluster] = readClusters([
    {
      name: 'a',
      status: 'UP',
      launched_at: 1_760_000_000,
      cloud: 'AWS',
      region: 'us-east-1',
      handle: 'x',
      new: 1,
    },
  ])
  assert.deepEqual(cluster, {
    name: 'a',
    status: 'UP',
    launchedAt: new Date(1_760_000_000_000),
    everUp: false,
    cloud: 'aws',
    region: 'us-east-1',
  })
  assert.equal(readClusters([{ name: 'a', status: 'MELTING' }])[0]?.status, 'UNKNOWN')
})

test('an endpoint is a URL, with or without a scheme of the server’s', () => {
  assert.equal(readEndpoint({ '8000': '10.0.0.1:32000' }, 8000), 'http://10.0.0.1:32000')
  assert.equal(readEndpoint({ '8000': 'https://lb.example/a/' }, 8000), 'https://lb.example/a')
  assert.equal(readEndpoint({ '8000': 'None' }, 8001), null)
  assert.equal(readEndpoint({ '8000': 'not a host' }, 8000), null)
})

test('the version of the API is a number or a text', () => {
  const health = { status: 'healthy', apiVersion: 49, version: '0.14.0' }
  assert.deepEqual(readHealth('{"status":"healthy","api_version":"49","version":"0.14.0"}'), health)
  assert.deepEqual(readHealth('{"status":"healthy","api_version":49,"version":"0.14.0"}'), health)
  assert.equal(readHealth('{"status":"healthy"}')?.apiVersion, null)
  assert.equal(readHealth('{}'), null)
})

test('any value in any field gives a request or null, and any request an end', () => {
  const fields = fc.constantFrom(...Object.keys(payload))
  const values = fc.oneof(fc.jsonValue(), fc.json(), fc.string())
  const changes = fc.array(fc.tuple(fields, values), { maxLength: 4 })
  fc.assert(
    fc.property(changes, (change) => {
      const request = readRequest({ ...payload, ...Object.fromEntries(change) })
      if (request !== null) requestEnd(request)
    }),
  )
})

test('any text is an error reply, a failed request, a health or null', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((detail) => JSON.stringify({ detail })),
  )
  fc.assert(
    fc.property(text, fc.jsonValue(), (reply, value) => {
      const said = readErrorReply(reply)
      assert.ok(said === null || typeof said.message === 'string')
      readFailedRequest(reply)
      readHealth(reply)
      readRequests(value)
      readJobId(value)
    }),
  )
})

test('what a server sends is read back, whatever the result and the message are', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.string(), (value, type, message) => {
      // Through JSON once more, which knows no negative zero.
      const sent: unknown = JSON.parse(JSON.stringify(value))
      assert.deepEqual(endOf({ return_value: JSON.stringify(value) }), { end: 'succeeded', value: sent })
      const error = JSON.stringify({ object: 'x', type, message })
      assert.deepEqual(endOf({ status: 'FAILED', error }), { end: 'failed', type, message })
    }),
  )
})

test('a job is set up, runs or has ended; of several the last counts, and an unknown word ends nothing', () => {
  assert.equal(readJobStage({ 9: 'FAILED', 10: 'SETTING_UP' }), 'setting_up')
  assert.equal(readJobStage({ 1: 'RUNNING' }), 'running')
  assert.equal(readJobStage({ 1: 'RESTING' }), 'running')
  for (const status of ['SUCCEEDED', 'FAILED', 'FAILED_SETUP', 'FAILED_DRIVER', 'CANCELLED'])
    assert.equal(readJobStage({ 1: status }), 'ended')
  assert.equal(readJobStage({}), null)
  assert.equal(readJobStage({ 1: null }), null)
  assert.throws(() => readJobStage(['RUNNING']))
})
