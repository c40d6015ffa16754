import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContractReply, ContractTask } from '../../src/core/contract/task.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { createContractServer } from '../../src/workers/contract-server.js'
import { allHandlers } from '../../src/workers/handlers/all.js'
import { type ContractPort, modelBody, nodeBody, startContractPort } from '../support/contract-port.js'
import type { MigratedDatabase } from '../support/migrated-database.js'

interface Stream extends AsyncDisposable {
  readonly status: number
  readonly headers: Headers
  /** Reads on until the text so far has this in it, and answers all of it; throws when the stream ends before. */
  until(part: string): Promise<string>
}

async function open(port: ContractPort, path: string, headers: Record<string, string> = {}): Promise<Stream> {
  const leaving = new AbortController()
  const response = await fetch(port.url + path, {
    headers: { 'x-admin-token': 'root', ...headers },
    signal: leaving.signal,
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    status: response.status,
    headers: response.headers,
    async until(part) {
      while (!text.includes(part)) {
        const chunk = await reader?.read()
        if (chunk?.done !== false) throw new Error(`the stream ended with: ${text}`)
        text += chunk.value
      }
      return text
    },
    [Symbol.asyncDispose]() {
      leaving.abort()
      return Promise.resolve()
    },
  }
}

async function registered(port: ContractPort): Promise<string> {
  const model = await port.send('POST', '/admin/models', modelBody())
  const node = await port.send('POST', '/admin/nodes', nodeBody(model.body['name']))
  return `/admin/nodes/${node.body['cluster_name']}`
}

const eventsOf = (text: string) => [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1])
const idsOf = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].map((match) => Number(match[1]))

/** The real handlers, with what was asked of them. */
function watched(before: (task: ContractTask) => ContractReply | null) {
  const asked: ContractTask[] = []
  const runTask = ({ postgres }: MigratedDatabase) => {
    const clickhouse = createClickHouse({ url: 'http://127.0.0.1:9' })
    const answer = createContractServer({ handlers: allHandlers, postgres, clickhouse, redis: null })
    return (task: ContractTask) => {
      if (task.endpointId === 'nodes.logs-stream') asked.push(task)
      return Promise.resolve(before(task) ?? answer(task))
    }
  }
  return { asked, runTask }
}

test('a stream sends what happened and what happens, each once and in order', async () => {
  await using port = await startContractPort()
  const path = await registered(port)
  await using stream = await open(port, `${path}/logs/stream`)
  assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  await stream.until('event: registered')
  await port.send('POST', `${path}/drain`)
  await stream.until('"status":"draining"')
  await port.send('POST', `${path}/undrain`)
  await port.send('PATCH', path, { weight: 3 })
  const text = await stream.until('weight 1 → 3')
  assert.deepEqual(eventsOf(text), ['registered', 'status', 'status', 'changed'])
  const ids = idsOf(text)
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
  )
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? ''
  const listed = await port.send('GET', `${path}/logs?event=registered`)
  assert.deepEqual(JSON.parse(data), listed.body['data']?.[0])
  assert.deepEqual(port.failures, [])
})

test('a client that comes back goes on where it was, and may ask for what there is alone', async () => {
  await using port = await startContractPort()
  const path = await registered(port)
  await port.send('POST', `${path}/drain`)
  await port.send('POST', `${path}/undrain`)
  const all = await port.send('GET', `${path}/logs/stream?follow=false`)
  assert.deepEqual(eventsOf(all.body), ['registered', 'status', 'status'])
  const [first, second] = idsOf(all.body)
  const rest = await port.send('GET', `${path}/logs/stream?follow=false&after=${first}`)
  assert.deepEqual(eventsOf(rest.body), ['status', 'status'])
  await using stream = await open(port, `${path}/logs/stream?after=0`, { 'last-event-id': String(second) })
  const text = await stream.until('"status":"active"')
  assert.deepEqual(idsOf(text).length, 1)
})

test('what cannot be followed is refused with a status', async () => {
  await using port = await startContractPort()
  const unknown = await port.send('GET', '/admin/nodes/nope/logs/stream')
  assert.deepEqual([unknown.status, unknown.body['error']?.['param']], [404, 'cluster_name'])
  const path = await registered(port)
  const wrong = await port.send('GET', `${path}/logs/stream?after=-1`)
  assert.deepEqual([wrong.status, wrong.body['error']?.['param']], [400, 'after'])
  const nobody = await port.send('GET', `${path}/logs/stream`, undefined, { 'x-admin-token': 'x' })
  assert.equal(nobody.status, 401)
})

test('when the client leaves nothing more is asked, and its place is free', async () => {
  const { asked, runTask } = watched(() => null)
  await using port = await startContractPort({ runTask })
  const path = await registered(port)
  const streams = await Promise.all(Array.from({ length: 64 }, () => open(port, `${path}/logs/stream`)))
  assert.ok(streams.every(({ status }) => status === 200))
  const refused = await port.send('GET', `${path}/logs/stream`)
  assert.deepEqual([refused.status, refused.body['error']?.['code']], [503, 'overloaded'])
  for (const stream of streams) await stream[Symbol.asyncDispose]()
  // Its place is given back when its wait is broken off, not at the next look.
  for (;;) {
    await using again = await open(port, `${path}/logs/stream`)
    if (again.status === 200) break
  }
  const before = asked.length
  await using last = await open(port, `${path}/logs/stream`)
  await port.send('POST', `${path}/drain`)
  await last.until('draining')
  assert.ok(asked.length - before < 64, String(asked.length - before))
})

test('a stream outlives a store that does not answer for a moment, and is cut off with the error of anything else', async () => {
  let refusal: ContractReply | null = null
  const { asked, runTask } = watched(({ endpointId }) =>
    endpointId === 'nodes.logs-stream' ? refusal : null,
  )
  await using port = await startContractPort({ runTask })
  const path = await registered(port)
  await using stream = await open(port, `${path}/logs/stream`)
  await stream.until('registered')
  refusal = { error: 'overloaded', message: 'm', param: null, cause: null }
  const before = asked.length
  while (asked.length < before + 2) await new Promise((resolve) => setTimeout(resolve, 50))
  await port.send('POST', `${path}/drain`)
  refusal = null
  await stream.until('"status":"draining"')
  refusal = { error: 'internal_error', message: 'm', param: null, cause: null }
  const text = await stream.until('"internal_error"')
  assert.match(text, /\n\ndata: \{"error":\{"message":"m","type":"server_error"/)
  await assert.rejects(stream.until('never'))
})
