import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { test } from 'node:test'
import { createSkyPilot } from '../../src/io/skypilot.js'
import { SkyPilotError } from '../../src/core/skypilot-error.js'
import { eventually } from '../support/processes.js'
import { API_KEY, newClusterName, ofKind, serverTask } from '../support/skypilot/tasks.js'
import { startSkyPilotServer } from '../support/skypilot-server.js'

const hide = [API_KEY]

/** The error that a promise ends with. */
async function errorOf(promise: Promise<unknown>): Promise<SkyPilotError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SkyPilotError)
  return error
}

async function answering(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

test('waiting survives 503s, cut gets, cut connections and a restart that keeps the requests', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000, getCutMs: 100 } })
  await using skypilot = createSkyPilot(server)
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  server.setFaults({ unavailable: 1, unheard: 1 })
  const waiting = skypilot.wait(requestId, { hide })
  const gets = () => server.calls.get('GET /api/get') ?? 0
  await eventually('both were met, and a get was cut', () => {
    return server.faults.unavailable + server.faults.unheard === 0 && gets() >= 3
  })
  const before = gets()
  await server.restart({ requests: 'kept', downMs: 100 })
  server.setFaults({ provisionMs: 0 })
  assert.equal((await waiting).jobId, 1)
  assert.ok(gets() > before)
})

for (const requests of ['forgotten', 'interrupted', 'interrupted-503'] as const) {
  test(`a launch whose server restarted is lost when its request was ${requests}; its cluster is there`, async () => {
    await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000 } })
    await using skypilot = createSkyPilot(server)
    const name = newClusterName()
    const requestId = await skypilot.launch(serverTask(), name)
    await eventually('it is INIT', async () => (await skypilot.status([name]))[0]?.status === 'INIT')
    const waiting = assert.rejects(skypilot.wait(requestId, { hide }), ofKind('request_lost'))
    await server.restart({ requests })
    await waiting
    assert.equal((await skypilot.status([name]))[0]?.status, 'INIT')
    server.setFaults({ provisionMs: 0 })
    await skypilot.wait(await skypilot.launch(serverTask(), name), { hide })
    assert.equal(server.clusters.length, 1)
  })
}

test('a launch whose answer was lost is unreachable, was heard once, and is found by its cluster', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000, unanswered: 1 } })
  await using skypilot = createSkyPilot(server)
  const name = newClusterName()
  await assert.rejects(skypilot.launch(serverTask(), name), ofKind('unreachable'))
  assert.equal(server.calls.get('POST /launch'), 1)
  const [request] = await skypilot.requestsOf(name)
  server.setFaults({ provisionMs: 0 })
  assert.equal((await skypilot.wait(request?.requestId ?? '', { hide })).clusterName, name)
})

test('a token that expires while a launch is waited for is unauthorized', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000, getCutMs: 50 } })
  await using skypilot = createSkyPilot(server)
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  server.setFaults({ unauthorized: true })
  await assert.rejects(skypilot.wait(requestId, { hide }), ofKind('unauthorized', /expired/))
})

test('waiting ends by its deadline, or with the reason of its signal, while the launch goes on', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000 } })
  await using skypilot = createSkyPilot(server)
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  await assert.rejects(skypilot.wait(requestId, { hide, deadlineMs: 100 }), ofKind('deadline'))
  const leaving = new AbortController()
  const reason = new Error('shutdown')
  const waiting = assert.rejects(skypilot.wait(requestId, { hide, signal: leaving.signal }), reason)
  leaving.abort(reason)
  await waiting
  assert.equal((await skypilot.requests([requestId]))[0]?.status, 'RUNNING')
})

test('a blocking get is renewed before anybody cuts it', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000 } })
  await using skypilot = createSkyPilot({ url: server.url, token: server.token, getMs: 50 })
  const waiting = skypilot.wait(await skypilot.launch(serverTask(), newClusterName()), { hide })
  await eventually('it was renewed twice', () => (server.calls.get('GET /api/get') ?? 0) >= 3)
  server.setFaults({ provisionMs: 0 })
  assert.equal((await waiting).jobId, 1)
})

test('a reply without an end is not read on', async () => {
  await using server = await answering((_request, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(1024 * 1024, 'x')));
      response.once('drain', more)
    }
    more()
  })
  await using skypilot = createSkyPilot({ url: server.url, token: null })
  await assert.rejects(skypilot.health(), ofKind('unreachable'))
})

test('a client that is closed ends its waits', async () => {
  await using server = await startSkyPilotServer({ faults: { provisionMs: 60_000 } })
  const skypilot = createSkyPilot(server)
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  const waiting = assert.rejects(skypilot.wait(requestId, { hide }), /closed/)
  await eventually('it waits', () => server.calls.has('GET /api/get'))
  await skypilot[Symbol.asyncDispose]()
  await waiting
})

test('a server that is away is unreachable, also for those who wait', async () => {
  await using server = await answering(() => {})
  const { url } = server
  await server[Symbol.asyncDispose]()
  await using skypilot = createSkyPilot({ url, token: 'sky_secret-secret-secret' })
  await assert.rejects(skypilot.health(), ofKind('unreachable', /ECONNREFUSED/))
  const id = '00000000-0000-4000-8000-000000000000'
  await assert.rejects(skypilot.wait(id, { hide, deadlineMs: 2_000 }), ofKind('unreachable'))
})

test('secrets are in a launch under `secrets` alone, and in no validation, error or log', async () => {
  const message = `Command serve --x ${API_KEY} failed with sky_some-token-of-somebody`
  await using server = await startSkyPilotServer({
    faults: { launchError: { type: 'CommandError', message } },
  })
  await using skypilot = createSkyPilot(server)
  await skypilot.validate(serverTask())
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  const error = await errorOf(skypilot.wait(requestId, { hide }))
  assert.deepEqual([error.kind, error.type], ['failed', 'CommandError'])
  assert.match(error.message, /Command serve --x \*\*\* failed with \*\*\*/)
  const quoted = server.bodies.filter(({ text }) => text.includes(API_KEY))
  assert.deepEqual(
    quoted.map(({ path, text }) => [path, text.split(API_KEY).length - 1]),
    [['/launch', 1]],
  )
  assert.match(quoted[0]?.text ?? '', new RegExp(`secrets:\\\\n {2}API_KEY: ${API_KEY}`))
})

test('a log that is cut goes on behind its last line, without a terminal’s codes or secrets', async () => {
  await using server = await startSkyPilotServer({
    faults: { provisionMs: 300, logCutAfter: 1 },
    startInstance: () => Promise.reject(new Error('no machine')),
  })
  await using skypilot = createSkyPilot(server)
  const requestId = await skypilot.launch(serverTask(), newClusterName())
  const lines: string[] = []
  for await (const line of skypilot.logs(requestId, { hide: ['aws'] })) lines.push(line)
  assert.deepEqual(lines, [
    'Considered resources (1 node):',
    '⚙︎ Launching on ***/us-east-1.',
    '└── Instance is up.',
  ])
  assert.equal(server.calls.get('GET /api/stream'), 2)
})

test('answers that are not SkyPilot’s are unreachable, a login page unauthorized, and no redirect is followed', async () => {
  const answers: [number, Record<string, string>, string, SkyPilotError['kind']][] = [
    [200, {}, '<html>hello</html>', 'unreachable'],
    [200, {}, '{"status": 7}', 'unreachable'],
    [404, {}, '<html>nothing</html>', 'failed'],
    [302, { location: 'http://127.0.0.1:1/login' }, '', 'unauthorized'],
    [301, { location: 'http://127.0.0.1:1/' }, '', 'unreachable'],
    [400, {}, '{"error":"version_mismatch","message":"too old"}', 'bad_task'],
    [429, {}, '', 'unreachable'],
    [502, {}, 'Bad Gateway', 'unreachable'],
  ]
  let asked = 0
  await using server = await answering((_request, response) => {
    const [status, headers, text] = answers[asked++] ?? [500, {}, '']
    response.writeHead(status, headers).end(text)
  })
  await using skypilot = createSkyPilot({ url: server.url, token: null })
  for (const [status, , , kind] of answers)
    assert.equal((await errorOf(skypilot.health())).kind, kind, String(status))
  assert.equal(asked, answers.length)
})

test('a request whose answers cannot be read is given up', async () => {
  let asked = 0
  await using server = await answering((_request, response) => {
    asked++
    response.writeHead(200).end('{"request_id": 1}')
  })
  await using skypilot = createSkyPilot({ url: server.url, token: null })
  const id = '00000000-0000-4000-8000-000000000000'
  await assert.rejects(skypilot.wait(id, { hide }), ofKind('unreachable'))
  assert.equal(asked, 5)
})

test('names and ids that could mean others are refused before anything is sent', async () => {
  let asked = 0
  await using server = await answering((_request, response) => {
    asked++
    response.end('null')
  })
  await using skypilot = createSkyPilot({ url: server.url, token: null })
  for (const name of ['', '*', 'cic-*', '-a', 'a/b']) {
    await assert.rejects(skypilot.down(name), ofKind('bad_task'))
    await assert.rejects(skypilot.status([name]), ofKind('bad_task'))
  }
  for (const id of ['', 'a', '0000', '../x'.repeat(8)]) await assert.rejects(skypilot.cancel([id]), TypeError)
  assert.equal(asked, 0)
  for (const url of ['ftp://x', 'x', 'http://user:password@x'])
    assert.throws(() => createSkyPilot({ url, token: null }), /URL/)
})
