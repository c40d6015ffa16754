import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import fc from 'fast-check'
import { engineLoad } from '../../src/core/engine-metrics.js'
import { CERTIFICATE, CERTIFICATE_KEY } from '../support/certificate.js'
import { startEngineStandIn } from '../support/engine-stand-in.js'
import { startMetadata } from '../support/metadata-services.js'
import { NODE_AGENT, startNodeAgent } from '../support/node-agent.js'
import { startPlainServer } from '../support/plain-server.js'
import { eventually } from '../support/processes.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const TOKEN = 'n0de"t0ken\\of-its-own'
const NODE = { NODE_ID: '0198c0de-0000-7000-8000-000000000001', NODE_TOKEN: TOKEN, PROVIDER: 'local' }

/** A control plane that is content with everything. */
const content = (_: unknown, response: { end(body: string): unknown }) => {
  response.end(JSON.stringify({ status: 'active' }))
}

for (const [name, changes] of [
  ['CONTROL_URL', { CONTROL_URL: '' }],
  ['CONTROL_URL', { CONTROL_URL: 'ftp://control' }],
  ['CONTROL_URL', { CONTROL_URL: 'http://user:pass@control' }],
  ['CONTROL_URL', { CONTROL_URL: 'http://control:99999' }],
  ['CONTROL_URL', { CONTROL_URL: 'http://control\r\nx: y' }],
  ['NODE_ID', { NODE_ID: '../tenants' }],
  ['NODE_TOKEN', { NODE_TOKEN: '' }],
  ['NODE_TOKEN', { NODE_TOKEN: 'secret\r\nx: y' }],
  ['ENGINE_URL', { ENGINE_URL: 'localhost:8000' }],
  ['ENGINE_PID', { ENGINE_PID: '-1' }],
  ['HEARTBEAT_SECONDS', { HEARTBEAT_SECONDS: 'nan' }],
  ['NOTICE_POLL_SECONDS', { NOTICE_POLL_SECONDS: '0' }],
] as const) {
  test(`the setting ${JSON.stringify(changes)} is refused by its name, and no secret is shown`, async () => {
    await using agent = startNodeAgent({ CONTROL_URL: 'http://127.0.0.1:9', ...NODE, ...changes })
    assert.equal(await agent.ended(), 2)
    assert.deepEqual(
      agent.lines.map(({ event }) => event),
      ['wrong-setting'],
    )
    assert.ok(String(agent.lines[0]?.['reason']).startsWith(`${name}: `), agent.output())
    assert.doesNotMatch(agent.output(), /t0ken|secret|pass/)
  })
}

test("an agent reads engines' gauges as the leader does", () => {
  const name = fc.constantFrom(
    ...['vllm:num_requests_running', 'vllm:num_requests_waiting', 'vllm:kv_cache_usage_perc'],
    ...[
      'vllm:gpu_cache_usage_perc',
      'sglang:num_running_reqs',
      'sglang:num_queue_reqs',
      'sglang:token_usage',
    ],
    ...['llamacpp:requests_processing', 'llamacpp:requests_deferred', 'llamacpp:kv_cache_usage_ratio'],
    ...['vllm:num_requests_running_total', '# HELP vllm:num_requests_running', 'process_cpu_seconds_total'],
  )
  const labels = fc.constantFrom('', '{engine="0"}', '{model_name="a b",x="}"}')
  const value = fc.oneof(
    fc.integer({ min: -5, max: 400_000 }).map(String),
    fc.integer({ min: 0, max: 100 }).map((percent) => String(percent / 100)),
    fc.constantFrom('NaN', '-1', '1e3', '2.0', '', 'many', '+Inf'),
  )
  const sample = fc.tuple(name, labels, value, fc.constantFrom('', ' 1700000000000', '\r')).map((parts) => {
    const [metric, label, number, end] = parts
    // Halves are rounded to even there and up here; no engine says half a request.
    const whole = /cache|usage/.test(metric) || !number.includes('.') ? number : number.replace(/\..*/, '')
    return `${metric}${label} ${whole}${end}`
  })
  const texts = fc.sample(
    fc.array(sample, { maxLength: 8 }).map((lines) => lines.join('\n')),
    500,
  )
  const program = [
    'import json, sys',
    `sys.path.insert(0, ${JSON.stringify(dirname(NODE_AGENT))})`,
    'sys.dont_write_bytecode = True',
    'import node_agent',
    'print(json.dumps([node_agent.engine_gauges(text) for text in json.load(sys.stdin)]))',
  ].join('\n')
  const read: unknown = JSON.parse(
    execFileSync('python3', ['-c', program], { input: JSON.stringify(texts), encoding: 'utf8' }),
  )
  const most = (count: number | null) => (count === null ? null : Math.min(1_000_000, count))
  assert.deepEqual(
    read,
    texts.map((text) => {
      const { running, waiting, kvCacheUsage } = engineLoad(text)
      return { running: most(running), waiting: most(waiting), kv_cache_usage: kvCacheUsage }
    }),
  )
})

test('redirects are not followed: the token goes to the control plane alone', async () => {
  await using engine = await startEngineStandIn()
  await using trap = await startPlainServer(content)
  await using control = await startPlainServer((_, response) => {
    response.writeHead(302, { location: `${trap.url}/elsewhere` }).end()
  })
  await using metadata = await startMetadata('gcp')
  metadata.answerWith(302, `${trap.url}/metadata`)
  await using agent = startNodeAgent({
    ...NODE,
    CONTROL_URL: control.url,
    ENGINE_URL: engine.url,
    NODE_ADDRESS: engine.url,
    PROVIDER: 'gcp',
    METADATA_URL: metadata.url,
  })
  await agent.line('control-plane', { verb: 'register', answer: '302 : ' })
  await eventually('both verbs', () => new Set(control.requests).size === 2)
  await agent.line('metadata', { answer: 'OSError: the metadata service answers 302' })
  assert.deepEqual(trap.requests, [])
})

test('a certificate that nobody vouches for is refused, and accepted with its authority in CONTROL_CA_FILE', async () => {
  await using engine = await startEngineStandIn()
  await using folder = await temporaryFolder()
  const caFile = join(folder.path, 'ca.pem')
  await writeFile(caFile, CERTIFICATE)
  await using control = await startPlainServer(content, '127.0.0.1', (answer) =>
    createTlsServer({ cert: CERTIFICATE, key: CERTIFICATE_KEY }, answer),
  )
  const env = {
    ...NODE,
    CONTROL_URL: control.url.replace('http:', 'https:'),
    ENGINE_URL: engine.url,
    NODE_ADDRESS: engine.url,
  }
  {
    await using agent = startNodeAgent(env)
    const line = await agent.line('control-plane')
    assert.match(String(line['answer']), /CERTIFICATE_VERIFY_FAILED/)
    assert.deepEqual(control.requests, [])
  }
  await using agent = startNodeAgent({ ...env, CONTROL_CA_FILE: caFile })
  await agent.line('registered')
})

test("the environment's proxy is for the control plane alone", async () => {
  await using engine = await startEngineStandIn()
  await using proxy = await startPlainServer(content)
  await using metadata = await startMetadata('azure')
  await using agent = startNodeAgent({
    ...NODE,
    CONTROL_URL: 'http://control.invalid',
    ENGINE_URL: engine.url,
    NODE_ADDRESS: engine.url,
    PROVIDER: 'auto',
    METADATA_URL: metadata.url,
    http_proxy: proxy.url,
    HTTP_PROXY: proxy.url,
  })
  await agent.line('registered')
  await agent.line('notices', { watched: 'azure' })
  await agent.line('metadata', { answer: 'ok' })
  assert.deepEqual(
    [...new Set(proxy.requests)].filter(
      (request) => !request.includes('http://control.invalid/admin/nodes/'),
    ),
    [],
  )
  await agent.line('control-plane-in-clear')
})

test('replies that are no JSON, too long or never end are failures that the agent outlives', async () => {
  await using engine = await startEngineStandIn()
  const answers = ['<html>', 'null', '[]', '{"status": 1}', `{"status": "${'x'.repeat(9_000_000)}"}`]
  let next = 0
  await using control = await startPlainServer((_, response) => {
    const answer = answers[next++]
    if (answer !== undefined) response.end(answer)
    else content(null, response)
  })
  await using agent = startNodeAgent({
    ...NODE,
    CONTROL_URL: control.url,
    ENGINE_URL: engine.url,
    NODE_ADDRESS: engine.url,
  })
  await agent.line('registered')
  assert.ok(!agent.lines.some(({ event }) => event === 'agent-error'), agent.output())
  assert.ok(!agent.output().includes(TOKEN.slice(0, 4)))
})

test('an agent that is told to stop does so, and leaves the engine alone', async () => {
  await using engine = await startEngineStandIn()
  await using control = await startPlainServer(content)
  await using agent = startNodeAgent({
    ...NODE,
    CONTROL_URL: control.url,
    ENGINE_URL: engine.url,
    ENGINE_PID: engine.pid,
    NODE_ADDRESS: engine.url,
  })
  await agent.line('registered')
  agent.stop()
  assert.equal(await agent.ended(), 0)
  assert.equal(engine.endedBy(), null)
  assert.doesNotMatch(agent.output(), /Traceback/)
})

test('the agent names a version and needs nothing that Python does not have', () => {
  const source = readFileSync(NODE_AGENT, 'utf8')
  assert.match(source, /^VERSION = "\d+"$/m)
  const imports = [...source.matchAll(/^(?:import|from) ([a-z_]+)/gm)].map((match) => match[1] ?? '')
  const program = 'import json, sys; print(json.dumps(sorted(sys.stdlib_module_names)))'
  const known = z
    .array(z.string())
    .parse(JSON.parse(execFileSync('python3', ['-c', program], { encoding: 'utf8' })))
  assert.deepEqual(
    imports.filter((name) => !known.includes(name)),
    [],
  )
})
