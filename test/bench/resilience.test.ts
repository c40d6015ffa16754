import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startKillableNode } from '../../bench/node-fleet.js'
import { startSimulatedNode } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { LoadClient, type ClientView, type PlannedRequest } from '../../bench/resilience/load-client.js'
import { isMissed, measureTable } from '../../bench/resilience/measure.js'
import { streamAnswer, streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf, isResumable, planStreams } from '../../bench/resilience/stream-plan.js'

const CLI = fileURLToPath(new URL('../../bench/cli.js', import.meta.url))
const OPTIONS = { model: 'sim-8b', tokens: { least: 5, most: 30 }, itlMs: 0 }

function* first<T>(count: number, of: Iterable<T>): Generator<T> {
  for (const item of of) {
    if (count-- <= 0) return
    yield item
  }
}

test('what an undisturbed node says has no fault, whatever usage was asked for', async () => {
  const options = { eosProbability: 0.02 }
  await using node = await startSimulatedNode(options)
  using client = new LoadClient(node.port, 'any')
  const plan = [...first(60, planStreams({ ...OPTIONS, random: seededRandom(1) }))]
  for (const planned of plan)
    assert.equal(streamFault(await client.send(planned), expectedOf(planned, options)), null)
  assert.ok(plan.every(isResumable))
})

test('plans what cannot be continued, of every kind', () => {
  const plan = [...first(400, planStreams({ ...OPTIONS, random: seededRandom(2), unresumable: 0.5 }))]
  const others = plan.filter((planned) => !isResumable(planned))
  assert.ok(others.length > 100 && others.length < 300)
  const text = JSON.stringify(others)
  for (const field of ['n', 'logprobs', 'tools', 'response_format', 'echo', 'image_url'])
    assert.ok(text.includes(`"${field}":`), field)
})

test('finds every way in which a stream can be other than one node would have made it', async () => {
  await using node = await startSimulatedNode()
  using client = new LoadClient(node.port, 'any')
  const planned: PlannedRequest = {
    path: '/v1/chat/completions',
    body: {
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 6,
      messages: [{ role: 'user', content: 'So' }],
    },
    leave: null,
  }
  const whole = await client.send(planned)
  const expected = expectedOf(planned)
  const frames = whole.text.split('\n\n').slice(0, -1)
  const withFrames = (all: readonly string[]): ClientView => ({
    ...whole,
    text: all.map((frame) => `${frame}\n\n`).join(''),
  })
  const fault = (view: ClientView) => streamFault(view, expected) ?? 'none'
  const [role = '', token = '', ...rest] = frames
  assert.equal(fault(withFrames(frames)), 'none')
  assert.match(fault({ ...whole, status: 502 }), /^status 502/)
  assert.match(fault({ ...whole, ended: 'cut' }), /broke off/)
  assert.match(fault(withFrames(frames.slice(0, -1))), /broke off/)
  assert.match(fault(withFrames([role, 'data: {"error":{"code":"idle_timeout"}}'])), /the error idle_timeout/)
  assert.match(fault(withFrames([...frames, token])), /stray bytes/)
  assert.match(fault(withFrames([role, ...rest])), /text is another/)
  assert.match(fault(withFrames([role, token, token, ...rest])), /text is another/)
  assert.match(fault(withFrames([role, token, role, ...rest])), /roles in frames 0,2/)
  const otherId = token.replace(/"id":"[^"]*"/, '"id":"other"')
  assert.match(fault(withFrames([role, otherId, ...rest])), /2 ids/)
  assert.match(fault(withFrames(frames.map((one) => one.replace('"length"', 'null')))), /finish reasons/)
  const doubled = frames.map((one) => one.replace(/"prompt_tokens":\d+/, '"prompt_tokens":99'))
  assert.match(fault(withFrames(doubled)), /says the usage/)
  assert.match(fault(withFrames(frames.filter((one) => !one.includes('"choices":[]')))), /says the usage/)
  assert.equal(streamAnswer(whole).tokens, 6)
})

test('a killed node is gone at once and serves again at its address, with a ledger of its own', async () => {
  await using node = await startKillableNode(['--model', 'm', '--itl-ms', '5'])
  const ask = (tokens: number) =>
    fetch(`${node.url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ prompt: 'a', stream: true, max_tokens: tokens }),
    })
  const running = await ask(100_000)
  await node.kill()
  await assert.rejects(running.text())
  await assert.rejects(ask(1))
  assert.equal(node.running, false)
  await node.restart()
  assert.match(await (await ask(2)).text(), /data: \[DONE\]\n\n$/)
  assert.equal(node.options.models[0], 'm')
})

test('a measure is held against its goal, one without a goal is told alone', () => {
  const measure = { what: 'broken', unit: '', figure: 1, atMost: 0 }
  assert.ok(isMissed(measure))
  assert.ok(isMissed({ ...measure, figure: NaN }))
  assert.ok(!isMissed({ ...measure, atMost: 1 }) && !isMissed({ ...measure, atMost: null }))
  assert.match(measureTable([measure]).at(-1) ?? '', /^broken +1\.00 +≤ 0 +MISSED$/)
})

test('the command refuses a scenario that it does not have', async () => {
  const child = spawn(process.execPath, [CLI, 'resilience', '--only', 'nonsense'])
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  assert.deepEqual(await once(child, 'close'), [2, null])
  assert.match(errors, /^resilience: --only takes faults, kill-nodes, failover, fairness, rolling-restart/)
})
