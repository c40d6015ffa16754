import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyPids, type RunningContender } from '../../bench/compare/contenders/contender.js'
import { haproxyConfig, startHaproxy } from '../../bench/compare/contenders/haproxy.js'
import { nginxConfig, startNginx } from '../../bench/compare/contenders/nginx.js'
import { startLoadGenerator } from '../../bench/compare/load/generator.js'
import { chatRequest } from '../../bench/compare/scenarios/chat.js'
import { connectTo } from '../../bench/compare/session.js'
import { lives, readProcessStat } from '../../bench/proc-stat.js'
import { startSimulatedNode } from '../../bench/nodes.js'

function holdsLines(config: string, lines: readonly string[]): void {
  for (const line of lines) assert.ok(config.includes(line), line)
}

test('nginx only forwards: no buffering, no log, one worker, connections kept', () => {
  holdsLines(nginxConfig('/tmp/x', 1234, ['127.0.0.1:1', '127.0.0.1:2']), [
    'worker_processes 1;',
    'access_log off;',
    'proxy_buffering off;',
    'proxy_http_version 1.1;',
    'listen 127.0.0.1:1234 backlog=4096;',
    'server 127.0.0.1:2;',
  ])
})

test('HAProxy only forwards: HTTP mode, one thread, no log, connections kept and shared', () => {
  holdsLines(haproxyConfig(1234, ['127.0.0.1:1', '127.0.0.1:2']), [
    'nbthread 1',
    'mode http',
    'no log',
    'no option http-server-close',
    'http-reuse always',
    'bind 127.0.0.1:1234 backlog 4096',
    'server node2 127.0.0.1:2 ',
  ])
})

/** Sends requests and streams through a contender; every reply is verified. */
async function forwards(contender: RunningContender): Promise<void> {
  await using generator = await startLoadGenerator()
  await using session = await connectTo(generator, contender, 8)
  await session.run({
    kind: 'requests',
    request: chatRequest(contender, { tokens: 1 }),
    record: null,
    durationMs: 100,
    pauseMs: 0,
    limitMs: 10_000,
  })
  await session.run({
    kind: 'streams',
    request: chatRequest(contender, { stream: true, tokens: 20, tokensPerSecond: 500 }),
    record: null,
    rampMs: 0,
    limitMs: 10_000,
  })
  const { requests, tokens } = contender.account
  assert.equal(tokens, requests - 8 + 8 * 20)
}

for (const [name, start] of [
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
] as const) {
  test(`${name} is started before nodes, forwards to each of them, and is gone in the end`, async () => {
    await using first = await startSimulatedNode({})
    await using second = await startSimulatedNode({})
    let proxies: { pid: number; startTicks: string; title: string }[]
    {
      await using contender = await start({ model: 'sim-8b', nodeUrls: [first.url, second.url] })
      assert.equal(contender.name, name)
      assert.match(contender.description, /\d+\.\d+/)
      proxies = proxyPids(contender).map((pid) => ({
        pid,
        startTicks: readProcessStat(pid)?.startTicks ?? '',
        title: '',
      }))
      assert.ok(proxies.length >= 1)
      await forwards(contender)
      assert.ok(first.stats().requests > 0 && second.stats().requests > 0)
    }
    assert.ok(proxies.every((one) => !lives(one)))
  })
}
