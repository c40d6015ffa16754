/**
 * What the client expects of an API server, whichever it is: the stand-in, or with `npm run test:skypilot` a real one at
 * SKYPILOT_URL (with SKYPILOT_TOKEN where it asks for one, and at least one cloud enabled). Nothing is launched here but
 * dry runs.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { createSkyPilot } from '../../src/io/skypilot.js'
import { parseSkyPilotTask } from '../../src/core/skypilot-task.js'
import { newClusterName, ofKind } from '../support/skypilot/tasks.js'
import { startSkyPilotServer } from '../support/skypilot-server.js'

async function server(): Promise<{ url: string; token: string | null } & AsyncDisposable> {
  const { SKYPILOT_TEST, SKYPILOT_URL, SKYPILOT_TOKEN } = process.env
  // Not by the URL alone: the suite must not touch a server that somebody's environment happens to name.
  if (SKYPILOT_TEST !== 'real') return await startSkyPilotServer()
  if (SKYPILOT_URL === undefined) throw new Error('set SKYPILOT_URL')
  return { url: SKYPILOT_URL, token: SKYPILOT_TOKEN ?? null, [Symbol.asyncDispose]: () => Promise.resolve() }
}

const { url, token, ...running } = await server()
const skypilot = createSkyPilot({ url, token })
after(async () => {
  await skypilot[Symbol.asyncDispose]()
  await running[Symbol.asyncDispose]()
})

const task = parseSkyPilotTask({
  name: 'dry-run',
  resources: { ports: [8000] },
  envs: { GREETING: 'on', AT: '12:30' },
  secrets: { KEY: 'secret-of-a-dry-run' },
  run: 'echo "$GREETING" # a: comment\n',
})

test('tells its health and the version of its API', async () => {
  const health = await skypilot.health()
  assert.equal(health.status, 'healthy')
  assert.ok(health.apiVersion !== null && health.apiVersion >= 30, `API version ${health.apiVersion}`)
})

test('a wrong token is unauthorized, whatever is called', async () => {
  await using stranger = createSkyPilot({ url, token: 'sky_no-such-token-0123456789' })
  await assert.rejects(stranger.health(), ofKind('unauthorized'))
  await assert.rejects(stranger.status(null), ofKind('unauthorized'))
})

test('validates a task, and says what is wrong with a bad one', async () => {
  await skypilot.validate(task)
  const bad = parseSkyPilotTask({ ...task, resources: { infra: 'no-such-cloud/nowhere' } })
  await assert.rejects(skypilot.validate(bad), ofKind('bad_task', /no-such-cloud/))
})

test('a dry run is a request that is known at once, waited for, listed and logged', async () => {
  const clusterName = newClusterName()
  const requestId = await skypilot.launch(task, clusterName, { dryrun: true })
  const hide = Object.values(task.secrets)
  assert.deepEqual(await skypilot.wait(requestId, { hide, deadlineMs: 300_000 }), {
    requestId,
    name: 'sky.launch',
    clusterName,
    jobId: null,
  })
  const [request, ...others] = await skypilot.requests([requestId])
  assert.deepEqual([request?.requestId, request?.status, others], [requestId, 'SUCCEEDED', []])
  assert.deepEqual(await skypilot.requestsOf(clusterName), [])
  const lines: string[] = []
  for await (const line of skypilot.logs(requestId, { hide, deadlineMs: 60_000 })) lines.push(line)
  assert.ok(lines.length > 0)
  assert.ok(!lines.join('\n').includes('secret-of-a-dry-run'))
  assert.deepEqual(await skypilot.status([clusterName]), [])
})

test('a cluster that is not there is in no list, and can be neither ended nor changed', async () => {
  const name = newClusterName()
  assert.deepEqual(await skypilot.status([name]), [])
  assert.deepEqual(await skypilot.status([]), [])
  assert.ok(Array.isArray(await skypilot.status(null)))
  await assert.rejects(skypilot.down(name), ofKind('cluster_does_not_exist'))
  await assert.rejects(skypilot.autodown(name, 10), ofKind('cluster_does_not_exist'))
  await assert.rejects(skypilot.endpoint(name, 8000), ofKind('cluster_not_up'))
})

test('a request that nobody knows is lost, and cancelling it cancels nothing', async () => {
  const nobodys = randomUUID()
  await assert.rejects(skypilot.wait(nobodys, { hide: [], deadlineMs: 20_000 }), ofKind('request_lost'))
  const reading = skypilot.logs(nobodys, { hide: [], deadlineMs: 20_000 })
  await assert.rejects(reading.next(), ofKind('request_lost'))
  assert.deepEqual(await skypilot.requests([nobodys]), [])
  assert.deepEqual(await skypilot.cancel([nobodys]), [])
  assert.deepEqual(await skypilot.cancel([]), [])
})

test('a call ends with the reason of its signal', async () => {
  const reason = new Error('shutdown')
  const signal = AbortSignal.abort(reason)
  await assert.rejects(skypilot.health({ signal }), reason)
  await assert.rejects(skypilot.status(null, { signal }), reason)
  await assert.rejects(skypilot.wait(randomUUID(), { hide: [], signal }), reason)
})
