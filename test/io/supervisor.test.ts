import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { allGone, startGatewayProcess, type Kin } from '../support/gateway-process.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const program = fileURLToPath(new URL('../support/supervised.js', import.meta.url))

function start(dataDir: string, env: Record<string, string> = {}) {
  return startGatewayProcess({
    command: [process.execPath, program],
    env: { DATA_DIR: dataDir, PORT: '0', ADMIN_PORT: '0', PROXY_PROCESSES: '1', ...env },
  })
}

/** A new connection each, so that it may reach any of the proxies. */
async function get(port: number | null, path: string) {
  assert.ok(port !== null)
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
  return { status: response.status, text: await response.text() }
}

async function until(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition().catch(() => false))) {
    assert.ok(performance.now() < deadline, 'it did not come true in time')
    await sleep(20)
  }
}

const titles = (kin: readonly Kin[]) => kin.map(({ title }) => title).toSorted()
const shown = z.looseObject({
  settings: z.looseObject({ adminToken: z.string().nullable(), databaseUrl: z.string() }),
  env: z.record(z.string(), z.string()),
  slot: z.number(),
  pid: z.number(),
})

test('runs control and proxies on shared ports, says so in one line, and drains on SIGTERM', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { PROXY_PROCESSES: '2' })
  const { tenantPort, adminPort } = await gateway.ready()
  assert.ok(tenantPort !== null && tenantPort > 0 && adminPort > 0)
  const family = gateway.family()
  assert.deepEqual(titles(family), [
    'crosslogic-control',
    'crosslogic-proxy',
    'crosslogic-proxy',
    'crosslogic-supervisor',
  ])

  const slots = new Set<number>()
  await until(async () => {
    slots.add(shown.parse(JSON.parse((await get(tenantPort, '/settings')).text)).slot)
    return slots.size === 2
  })
  const work = get(tenantPort, '/work?ms=700')
  await sleep(200)
  gateway.kill('SIGTERM')
  assert.equal((await work).text, 'done')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await allGone(family)
  assert.equal(gateway.lines.filter(({ event }) => event === 'ready').length, 1)
  const events = gateway.lines.map((line) => `${String(line['process'])} ${line.event}`)
  const order = ['proxy-0 drained', 'control draining', 'control drained', 'supervisor stores_closed']
  assert.deepEqual(
    events.filter((event) => order.includes(event)),
    order,
  )
})

test('stays up for DRAIN_DELAY_SECONDS and says 503 on /ready', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { DRAIN_DELAY_SECONDS: '60' })
  const { tenantPort, adminPort } = await gateway.ready()
  for (const port of [tenantPort, adminPort]) assert.equal((await get(port, '/ready')).status, 200)
  gateway.kill('SIGTERM')
  await gateway.line('draining')
  // Control is drained after the proxies, but says from the beginning that the gateway ends.
  for (const port of [tenantPort, adminPort]) {
    assert.deepEqual(await get(port, '/ready'), { status: 503, text: '{"status":"draining"}' })
  }
  assert.equal((await get(adminPort, '/settings')).status, 200)
  // A second signal ends the wait.
  await sleep(1_100)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('a control process that is replaced while the proxies drain knows of it', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { DRAIN_DELAY_SECONDS: '4' })
  const { adminPort } = await gateway.ready()
  gateway.kill('SIGTERM')
  await gateway.line('draining')
  const before = shown.parse(JSON.parse((await get(adminPort, '/settings')).text)).pid
  await get(adminPort, '/die').catch(() => null)
  await until(async () => shown.parse(JSON.parse((await get(adminPort, '/settings')).text)).pid !== before)
  assert.deepEqual(await get(adminPort, '/ready'), { status: 503, text: '{"status":"draining"}' })
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('a Ctrl-C, which arrives more than once, drains', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path)
  const { tenantPort } = await gateway.ready()
  const family = gateway.family()
  const work = get(tenantPort, '/work?ms=700')
  await sleep(200)
  gateway.killGroup('SIGINT')
  gateway.kill('SIGINT')
  assert.equal((await work).text, 'done')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await allGone(family)
})

test('a second signal a second later ends the wait', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path)
  const { tenantPort } = await gateway.ready()
  const family = gateway.family()
  const work = get(tenantPort, '/work?ms=3600000')
  await sleep(200)
  gateway.kill('SIGTERM')
  await gateway.line('draining')
  await sleep(1_100)
  gateway.kill('SIGTERM')
  assert.equal((await work).text, 'cut')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await allGone(family)
})

test('replaces a proxy that dies, in its slot, and counts it', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path)
  const { tenantPort, adminPort } = await gateway.ready()
  const before = shown.parse(JSON.parse((await get(tenantPort, '/settings')).text))
  await get(tenantPort, '/die').catch(() => null)
  await gateway.line('process_died')
  let after = before
  await until(async () => {
    after = shown.parse(JSON.parse((await get(tenantPort, '/settings')).text))
    return true
  })
  assert.notEqual(after.pid, before.pid)
  assert.equal(after.slot, before.slot)
  await until(async () =>
    /^crosslogic_up\{process="proxy-0"\} 1$/m.test((await get(adminPort, '/metrics')).text),
  )
  const { text } = await get(adminPort, '/metrics')
  assert.match(text, /^crosslogic_process_restarts_total\{process="proxy-0"\} 1$/m)
  assert.match(text, /^crosslogic_process_restarts_total\{process="control"\} 0$/m)
  for (const name of ['supervisor', 'control', 'proxy-0']) {
    assert.match(text, new RegExp(`^crosslogic_process_open_fds\\{process="${name}"\\} [1-9]`, 'm'))
  }
})

test('replaces a proxy while the list of children cannot be written, and writes it at the next change', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path)
  const { tenantPort, adminPort } = await gateway.ready()
  const control = shown.parse(JSON.parse((await get(adminPort, '/settings')).text))
  let proxy = shown.parse(JSON.parse((await get(tenantPort, '/settings')).text))
  const replaceProxy = async () => {
    const before = proxy.pid
    await get(tenantPort, '/die').catch(() => null)
    await until(async () => {
      proxy = shown.parse(JSON.parse((await get(tenantPort, '/settings')).text))
      return proxy.pid !== before
    })
  }
  const listed = () => {
    const list: unknown = JSON.parse(readFileSync(join(folder.path, 'processes.json'), 'utf8'))
    return z
      .object({ processes: z.array(z.object({ pid: z.number() })) })
      .parse(list)
      .processes.map(({ pid }) => pid)
      .toSorted((a, b) => a - b)
  }
  const living = () => [control.pid, proxy.pid].toSorted((a, b) => a - b)
  assert.deepEqual(listed(), living())

  // A directory in the file's place fails the write for root, too, whom permissions do not stop.
  const obstacle = join(folder.path, 'processes.json.new')
  mkdirSync(obstacle)
  await replaceProxy()
  await gateway.line('roster_unwritten')
  assert.notDeepEqual(listed(), living())
  assert.equal(shown.parse(JSON.parse((await get(adminPort, '/settings')).text)).pid, control.pid)

  rmdirSync(obstacle)
  await replaceProxy()
  assert.deepEqual(listed(), living())
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('after kill -9 of the supervisor its children end, and a new start works', async () => {
  await using folder = await temporaryFolder()
  await using killed = start(folder.path)
  const { tenantPort, adminPort } = await killed.ready()
  const family = killed.family()
  killed.kill('SIGKILL')
  await killed.exited
  // At once, on the same ports: the start itself waits for what the other left.
  await using gateway = start(folder.path, { PORT: String(tenantPort), ADMIN_PORT: String(adminPort) })
  await gateway.ready()
  await allGone(family, 0)
})

test('ends a child of a killed supervisor that is stuck', async () => {
  await using folder = await temporaryFolder()
  await using killed = start(folder.path)
  const { tenantPort } = await killed.ready()
  const family = killed.family()
  get(tenantPort, '/block').catch(() => null)
  await killed.line('blocking')
  killed.kill('SIGKILL')
  await using gateway = start(folder.path, { PORT: String(tenantPort) })
  await gateway.ready()
  assert.ok(gateway.lines.some(({ event }) => event === 'killing_predecessor'))
  await allGone(family, 0)
})

test('a second supervisor on one data directory is turned away, the first undisturbed', async () => {
  await using folder = await temporaryFolder()
  await using first = start(folder.path)
  const { tenantPort } = await first.ready()
  await using second = start(join(folder.path, '..', folder.path.split('/').at(-1) ?? ''))
  assert.deepEqual(await second.exited, { code: 75, signal: null })
  assert.match(
    (await second.line('start_failed')).msg ?? '',
    new RegExp(`in use.*\\(process ${first.pid}\\)`),
  )
  assert.equal((await get(tenantPort, '/ready')).status, 200)
})

test('a port that is taken stops the start with a clear line', async () => {
  await using folder = await temporaryFolder()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  await using gateway = start(folder.path, { ADMIN_PORT: String(address.port) })
  assert.deepEqual(await gateway.exited, { code: 1, signal: null })
  assert.match((await gateway.line('start_failed')).msg ?? '', /ADMIN_PORT\): another process listens there/)
  server.close()
})

for (const part of ['migrate', 'control', 'proxy']) {
  test(`when ${part} fails at the start it says so, ends, and leaves nothing running`, async () => {
    await using folder = await temporaryFolder()
    await using gateway = start(folder.path, { FIXTURE_FAILS: part })
    const failed = await gateway.line('start_failed')
    assert.deepEqual(await gateway.exited, { code: 1, signal: null })
    assert.ok(
      gateway.lines.some(({ msg }) => /(migration|control|proxy-0).*told to fail/.test(msg ?? '')),
      failed.msg,
    )
    assert.ok(gateway.lines.some(({ event }) => event === 'stores_closed'))
    assert.ok(!gateway.lines.some(({ event }) => event === 'ready'))
    await allGone(gateway.family(), 0)
  })
}

test('a stop signal during the start stops it cleanly', async () => {
  await using folder = await temporaryFolder()
  for (const delayMs of [150, 400, 600]) {
    await using gateway = start(folder.path)
    await sleep(delayMs)
    gateway.kill('SIGTERM')
    const { code, signal } = await gateway.exited
    // Before the program has taken the signal over, the signal itself ends it.
    assert.ok(code === 0 || signal === 'SIGTERM', `${code} ${signal}`)
    await allGone(gateway.family())
  }
})

test('settings travel by IPC alone, and the root token to control alone', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { ADMIN_TOKEN: 'root-token-1' })
  const { tenantPort, adminPort } = await gateway.ready()
  const control = shown.parse(JSON.parse((await get(adminPort, '/settings')).text))
  const proxy = shown.parse(JSON.parse((await get(tenantPort, '/settings')).text))
  assert.equal(control.settings.adminToken, 'root-token-1')
  assert.equal(proxy.settings.adminToken, null)
  assert.ok(!('migrationDatabaseUrl' in control.settings))
  assert.equal(control.env['ADMIN_TOKEN'], undefined)
  assert.doesNotMatch(JSON.stringify(gateway.lines), /root-token-1|hunter2/)
})

test('makes an admin token once and keeps it where only its owner can read', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'data')
  const tokens: (string | null)[] = []
  for (let run = 0; run < 2; run++) {
    await using gateway = start(dataDir)
    const { adminPort } = await gateway.ready()
    tokens.push(shown.parse(JSON.parse((await get(adminPort, '/settings')).text)).settings.adminToken)
    gateway.kill('SIGTERM')
    await gateway.exited
  }
  assert.match(tokens[0] ?? '', /^[\w-]{43}$/)
  assert.equal(tokens[0], tokens[1])
  assert.equal(statSync(dataDir).mode & 0o666, 0o600)
  assert.equal(statSync(join(dataDir, 'admin-token')).mode & 0o777, 0o600)
})

const stores = {
  DATABASE_URL: 'postgres://u:p@127.0.0.1:1/app',
  REDIS_URL: 'redis://127.0.0.1:1',
  CLICKHOUSE_URL: 'http://127.0.0.1:1',
}

test('ROLE=proxy has health, readiness and metrics on the admin port and no control process', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { ...stores, ROLE: 'proxy', FIXTURE_FAILS: 'migrate' })
  const { adminPort } = await gateway.ready()
  assert.deepEqual(titles(gateway.family()), ['crosslogic-proxy', 'crosslogic-supervisor'])
  assert.match((await get(adminPort, '/health')).text, /"time":"\d{4}-/)
  assert.deepEqual(await get(adminPort, '/ready'), { status: 200, text: '{"status":"ready"}' })
  assert.match((await get(adminPort, '/metrics')).text, /^crosslogic_up\{process="proxy-0"\} 1$/m)
  assert.equal((await get(adminPort, '/admin/tenants')).status, 404)
  const posted = await fetch(`http://127.0.0.1:${adminPort}/health`, { method: 'POST' })
  assert.equal(posted.status, 405)
  assert.equal(posted.headers.get('allow'), 'GET, HEAD')
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('ROLE=control has no proxy and no tenant port', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { ...stores, ROLE: 'control' })
  const { tenantPort, adminPort } = await gateway.ready()
  assert.equal(tenantPort, null)
  assert.equal((await get(adminPort, '/ready')).status, 200)
  assert.deepEqual(titles(gateway.family()), ['crosslogic-control', 'crosslogic-supervisor'])
})
