import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { planOf } from '../../bench/compare/command.js'
import { reportLatency, reportScenario, type Pair } from '../../bench/compare/report.js'
import { nginxConfig, startNginx } from '../../bench/compare/contenders/nginx.js'
import { startSimulatedNode } from '../../bench/nodes.js'
import type { Measurement } from '../../bench/compare/scenarios/scenario.js'
import { smallRequests } from '../../bench/compare/scenarios/small-requests.js'
import { streams } from '../../bench/compare/scenarios/streams.js'

function measured(contender: string, cpuMicrosPerUnit: number): Measurement {
  return {
    contender,
    units: 1000,
    unitsPerSecond: 200,
    cpuMicros: cpuMicrosPerUnit * 1000,
    cpuMicrosPerUnit,
    machineBusy: 0.5,
    besides: new Map(contender === 'gateway' ? [['control', 1.25]] : []),
  }
}

function pairs(...ratios: readonly number[]): Pair[] {
  return ratios.map((ratio) => ({ nginx: measured('nginx', 10), gateway: measured('gateway', 10 * ratio) }))
}

test('the median ratio decides whether a goal is met', () => {
  const met = reportScenario(smallRequests, pairs(2.4, 9, 1))
  assert.ok(met.met)
  assert.match(met.lines.join('\n'), /ratio per request: 1\.00 – 2\.40 – 9\.00× {2}goal ≤ 2\.50 {2}met/)
  const missed = reportScenario(smallRequests, pairs(2.6, 2.6, 1))
  assert.ok(!missed.met)
  assert.match(missed.lines.join('\n'), /goal ≤ 2\.50 {2}MISSED/)
  assert.match(missed.lines.join('\n'), /besides, µs per request: control 1\.3/)
})

test('a scenario without a goal is met by any ratio', () => {
  const scenario = streams({ count: 200, tokensPerSecond: 100, goal: null })
  const { met, lines } = reportScenario(scenario, pairs(50))
  assert.ok(met)
  assert.match(lines.join('\n'), /ratio per token: 50\.00 – 50\.00 – 50\.00× {2}for information/)
})

test('latency is shown with what each adds to the node', () => {
  const [, , ...rows] = reportLatency({ p50: 100, p99: 200 }, { p50: 150, p99: 300 }, { p50: 175, p99: 420 })
  assert.match(rows[1] ?? '', /nginx +150 +300 +50 +100$/)
  assert.match(rows[2] ?? '', /gateway +175 +420 +75 +220$/)
})

test('a streams scenario asks for as many tokens as its pace gives in the time', () => {
  const order = streams({ count: 1000, tokensPerSecond: 25, goal: 1.3 }).order({ authorization: 'x' }, 6)
  assert.ok(order.kind === 'streams')
  assert.equal(order.tokens, 150)
  assert.match(order.request.body, /"stream":true,"max_tokens":150,"sim_itl_ms":40/)
  assert.deepEqual(order.request.headers, { authorization: 'x' })
})

test('reads its options, with everything on by default', () => {
  const plan = planOf([])
  assert.deepEqual(
    plan.scenarios.map(({ name }) => name),
    ['requests', 'streams-1000', 'streams-200'],
  )
  assert.ok(plan.withLatency && !plan.strict)
  const some = planOf(['--only', 'latency', '--pairs', '1', '--strict'])
  assert.deepEqual(
    { ...some, scenarios: some.scenarios.length },
    {
      pairs: 1,
      seconds: 6,
      scenarios: 0,
      withLatency: true,
      strict: true,
    },
  )
  for (const bad of [['--pairs', '0'], ['--seconds', '1.5'], ['--only', 'x'], ['what'], ['--what']]) {
    assert.throws(() => planOf(bad))
  }
})

const CLI = fileURLToPath(new URL('../../bench/cli.js', import.meta.url))

async function runCli(...args: readonly string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  await once(child, 'close')
  return { code: child.exitCode, out, errors }
}

test('the bench lists its commands, and refuses unknown ones with one line and exit code 2', async () => {
  const help = await runCli('--help')
  assert.equal(help.code, 0)
  assert.match(help.out, /compare/)
  assert.match(help.out, /nodes/)
  for (const args of [['nothing'], ['compare', '--nonsense'], ['--pairs', 'x'], ['nodes', '--nonsense']]) {
    const { code, errors } = await runCli(...args)
    assert.equal(code, 2)
    assert.match(errors, /^[^\n]+\n$/)
  }
  for (const command of ['compare', 'nodes']) assert.equal((await runCli(command, '--help')).code, 0)
})

test('nginx only forwards: no buffering, no log, one worker, connections kept', () => {
  const config = nginxConfig('/tmp/x', 1234, ['127.0.0.1:1', '127.0.0.1:2'])
  for (const line of [
    'worker_processes 1;',
    'access_log off;',
    'proxy_buffering off;',
    'proxy_http_version 1.1;',
    'listen 127.0.0.1:1234 backlog=4096;',
    'server 127.0.0.1:2;',
  ]) {
    assert.ok(config.includes(line), line)
  }
})

test('nginx is started before nodes, forwards to them, and is gone in the end', async () => {
  await using node = await startSimulatedNode({})
  let port: number
  {
    await using nginx = await startNginx([node.url])
    port = nginx.port
    const response = await fetch(`http://${nginx.host}:${port}/v1/models`)
    assert.equal(response.status, 200)
    assert.match(await response.text(), /sim-8b/)
    assert.match(nginx.version, /^\d+\.\d+/)
  }
  await assert.rejects(fetch(`http://127.0.0.1:${port}/v1/models`))
})
