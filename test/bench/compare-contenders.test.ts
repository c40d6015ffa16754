import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyPids, type RunningContender } from '../../bench/compare/contenders/contender.js'
import { haproxyConfig, startHaproxy } from '../../bench/compare/contenders/haproxy.js'
import { nginxConfig, startNginx } from '../../bench/compare/contenders/nginx.js'
import { z } from 'zod'
import { bifrostConfig } from '../../bench/compare/contenders/bifrost.js'
import { envoyConfig } from '../../bench/compare/contenders/envoy.js'
import { litellmConfig } from '../../bench/compare/contenders/litellm.js'
import { findOnPath, startPeer, type Peer } from '../../bench/compare/contenders/peer.js'
import { portkey } from '../../bench/compare/contenders/portkey.js'
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

const NODES = ['http://127.0.0.1:1', 'http://127.0.0.1:2']

const LiteLlm = z.object({ model_list: z.array(z.unknown()) })
const Bifrost = z.object({
  providers: z.object({ openai: z.object({ network_config: z.object({ base_url: z.string() }) }) }),
})
const Socket = z.object({ socket_address: z.object({ port_value: z.number() }) })
const Endpoints = z.object({
  lb_endpoints: z.array(z.object({ endpoint: z.object({ address: Socket }) })),
})
const Envoy = z.object({
  static_resources: z.object({
    listeners: z.tuple([z.object({ address: Socket })]),
    clusters: z.tuple([z.object({ load_assignment: z.object({ endpoints: z.tuple([Endpoints]) }) })]),
  }),
})

test('peers are told of the nodes as each one documents it', () => {
  assert.deepEqual(LiteLlm.parse(JSON.parse(litellmConfig('m', NODES))).model_list[1], {
    model_name: 'm',
    litellm_params: { model: 'openai/m', api_base: 'http://127.0.0.1:2/v1', api_key: 'none' },
  })
  const { providers } = Bifrost.parse(JSON.parse(bifrostConfig('m', NODES)))
  assert.equal(providers.openai.network_config.base_url, NODES[0])
  const { listeners, clusters } = Envoy.parse(JSON.parse(envoyConfig(1234, NODES))).static_resources
  assert.equal(listeners[0].address.socket_address.port_value, 1234)
  const { lb_endpoints } = clusters[0].load_assignment.endpoints[0]
  assert.deepEqual(
    lb_endpoints.map(({ endpoint }) => endpoint.address.socket_address.port_value),
    [1, 2],
  )
  const { headers } = portkey.contender({ model: 'm', nodeUrls: NODES })
  assert.equal(headers?.['x-portkey-custom-host'], 'http://127.0.0.1:1/v1')
})

test('finds a program on the PATH, only within the folder that is asked for', async () => {
  assert.match((await findOnPath('sh')) ?? '', /\/sh$/)
  assert.equal(await findOnPath('sh', '@portkey-ai/gateway'), null)
  assert.equal(await findOnPath('there-is-no-such-program'), null)
})

/** A forwarding proxy in a few lines, as a peer. */
const FORWARD = `
const http = require('node:http')
const [, port, node] = process.argv
http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://x')
  const upstream = http.request(node + pathname, { method: request.method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  request.pipe(upstream)
}).listen(Number(port), '127.0.0.1')
`
const forwarder: Peer = {
  name: 'forwarder',
  getIt: 'write it',
  find: () => Promise.resolve(process.execPath),
  prepare: (program, _directory, port, { nodeUrls }) =>
    Promise.resolve({ program, args: ['-e', FORWARD, String(port), nodeUrls[0] ?? ''] }),
  contender: () => ({ description: 'a proxy', frames: 'rewritten' }),
}

test('a peer is started where it is found, and waited for until it answers a request', async () => {
  await using node = await startSimulatedNode({})
  await using contender = await startPeer(forwarder, { model: 'sim-8b', nodeUrls: [node.url] })
  assert.equal(contender.description, 'a proxy')
  await forwards(contender)
})

test('a peer that is absent says how to get it, and one that does not start says why', async () => {
  const backends = { model: 'sim-8b', nodeUrls: NODES }
  await assert.rejects(startPeer({ ...forwarder, find: () => Promise.resolve(null) }, backends), {
    message: 'not found; to get it: write it',
  })
  const failing: Peer = {
    ...forwarder,
    prepare: (program) =>
      Promise.resolve({ program, args: ['-e', 'console.error("no such option"); process.exit(3)'] }),
  }
  await assert.rejects(
    startPeer(failing, backends),
    /^Error: forwarder did not start \(it ended\): no such option$/,
  )
})
