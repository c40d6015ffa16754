import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../src/io/package-root.js'
import { allGone, lives, startGatewayProcess, type Kin } from '../support/gateway-process.js'
import { eventually } from '../support/processes.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const main = join(packageRoot, 'dist/src/main.js')

function start(folder: string, env: Record<string, string> = {}, command = [process.execPath, main]) {
  return startGatewayProcess({
    command,
    cwd: packageRoot,
    env: { DATA_DIR: join(folder, 'data'), PORT: '0', ADMIN_PORT: '0', PROXY_PROCESSES: '1', ...env },
  })
}

const ready = async (port: number | null) => (await fetch(`http://127.0.0.1:${port}/ready`)).status

/** The gateway's own processes and the stores that it started. */
function checkFamily(family: readonly Kin[]): void {
  for (const title of ['supervisor', 'control', 'proxy', 'clickhouse']) {
    assert.equal(family.filter((kin) => kin.title.startsWith(`crosslogic-${title}`)).length, 1, title)
  }
  assert.ok(family.some((kin) => kin.title.includes('bin/postgres')))
}

test('bad settings are all named on standard error, with exit code 64, and nothing is made', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { PORT: 'http', ACCESS_LOG: 'some', SKYPILOT_URL: 'sky' })
  assert.deepEqual(await gateway.exited, { code: 64, signal: null })
  for (const name of ['PORT', 'ACCESS_LOG', 'SKYPILOT_URL'])
    assert.match(gateway.stderr(), new RegExp(`^ +${name} `, 'm'))
  assert.ok(!existsSync(join(folder.path, 'data')))
})

test('launch templates that are bad or cannot be read are named, with exit code 64, and nothing is made', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'mine.yaml')
  const refused = async (templates: string, expected: RegExp) => {
    await using gateway = start(folder.path, { LAUNCH_TEMPLATES_DIR: templates })
    assert.deepEqual(await gateway.exited, { code: 64, signal: null })
    assert.match((await gateway.line('start_failed')).msg ?? '', expected)
    assert.ok(!existsSync(join(folder.path, 'data')))
  }
  await refused(join(folder.path, 'none'), /^bad launch template: .*\/none: ENOENT$/)
  await writeFile(
    file,
    'engine: mine\ncommand: [mine, "{{secret}}"]\nreadiness: { path: /, timeout_seconds: 1 }\n',
  )
  await refused(
    folder.path,
    /^bad launch template: .*\/mine\.yaml: command\[1\]: the placeholder .* is unknown/,
  )
  await writeFile(file, 'engine: mine\nengine: yours\n')
  await refused(folder.path, /^bad launch template: .*\/mine\.yaml: not valid YAML: /)
})

test('SIGTERM to the supervisor ends everything, stores included, and keeps the data', async () => {
  await using folder = await temporaryFolder()
  for (let run = 0; run < 2; run++) {
    await using gateway = start(folder.path, { DRAIN_DELAY_SECONDS: '6' })
    const { tenantPort, adminPort } = await gateway.ready()
    assert.equal(await ready(tenantPort), 200)
    assert.equal(await ready(adminPort), 200)
    const family = gateway.family()
    checkFamily(family)
    // The schema of the first run is still there in the second.
    assert.equal(
      gateway.lines.some(({ event }) => event === 'migrated'),
      run === 0,
    )
    gateway.kill('SIGTERM')
    // Balancers in front of either port learn of it before anything is closed.
    await gateway.line('draining')
    assert.equal(await ready(tenantPort), 503)
    assert.equal(await ready(adminPort), 503)
    assert.deepEqual(await gateway.exited, { code: 0, signal: null })
    await allGone(family, 0)
    const bad = gateway.lines.filter((line) => line['level'] === 'error' || line['level'] === 'fatal')
    assert.deepEqual(bad, [])
  }
  assert.equal(statSync(join(folder.path, 'data/admin-token')).mode & 0o777, 0o600)
})

for (const [name, stop] of [
  ['SIGTERM to npm', 'kill'],
  ['Ctrl-C on npm start', 'killGroup'],
] as const) {
  test(`${name} drains and leaves nothing running`, async () => {
    await using folder = await temporaryFolder()
    await using npm = start(folder.path, {}, ['npm', 'start'])
    const { tenantPort } = await npm.ready()
    assert.equal(await ready(tenantPort), 200)
    const family = npm.family()
    checkFamily(family)
    npm[stop](stop === 'kill' ? 'SIGTERM' : 'SIGINT')
    await npm.exited
    await npm.line('stopping')
    await allGone(family)
    assert.equal(npm.lines.filter(({ event }) => event === 'drained').length, 2)
    assert.ok(!npm.lines.some(({ event }) => event === 'close_failed' || event === 'process_ended_badly'))
  })
}

test('after kill -9 of the supervisor a new start takes over and leaves none of the old processes', async () => {
  await using folder = await temporaryFolder()
  await using killed = start(folder.path)
  const { tenantPort, adminPort } = await killed.ready()
  const family = killed.family()
  killed.kill('SIGKILL')
  await killed.exited
  await using gateway = start(folder.path, { PORT: String(tenantPort), ADMIN_PORT: String(adminPort) })
  const again = await gateway.ready()
  assert.equal(again.tenantPort, tenantPort)
  await allGone(family, 0)
  assert.equal(await ready(tenantPort), 200)
  const successors = gateway.family()
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await allGone(successors, 0)
})

test('a child or store that is killed comes back, at the same address', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path)
  const { tenantPort } = await gateway.ready()
  for (const title of ['crosslogic-clickhouse', 'crosslogic-control', 'crosslogic-proxy', 'bin/postgres']) {
    const victim = gateway.family().find((kin) => kin.title.includes(title))
    assert.ok(victim !== undefined, title)
    process.kill(victim.pid, 'SIGKILL')
    await eventually(
      `${title} is replaced`,
      () => !lives(victim) && gateway.family().some((kin) => kin.title.includes(title) && lives(kin)),
    )
  }
  await eventually('the gateway is ready again', () =>
    ready(tenantPort).then(
      (status) => status === 200,
      () => false,
    ),
  )
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await allGone(gateway.family(), 0)
})

test('a store that cannot be reached at the start stops it with a clear line', async () => {
  await using folder = await temporaryFolder()
  await using gateway = start(folder.path, { DATABASE_URL: 'postgres://app:hunter2@127.0.0.1:1/app' })
  assert.deepEqual(await gateway.exited, { code: 1, signal: null })
  assert.match((await gateway.line('start_failed')).msg ?? '', /^migrations need Postgres/)
  assert.doesNotMatch(JSON.stringify(gateway.lines) + gateway.stderr(), /hunter2/)
  await allGone(gateway.family(), 0)
})
