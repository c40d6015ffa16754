import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  controlUrl,
  publicUrl,
  readSettings,
  SETTING_NAMES,
  settingsSchema,
  type Machine,
} from '../../src/core/settings.js'

const machine: Machine = { cores: 8, hasRedisServer: true, isReadableFile: () => true }

function problemsOf(env: Record<string, string | undefined>, on: Machine = machine): string[] {
  const result = readSettings(env, on)
  return result.ok ? [] : result.problems
}

function settingsOf(env: Record<string, string | undefined>, on: Machine = machine) {
  const result = readSettings(env, on)
  assert.ok(result.ok, result.ok ? '' : result.problems.join('\n'))
  return result.settings
}

const stores = {
  DATABASE_URL: 'postgres://u:p@db/app',
  REDIS_URL: 'redis://cache',
  CLICKHOUSE_URL: 'http://ch:8123',
}

test('has a default for everything', () => {
  assert.deepEqual(settingsOf({}), {
    role: 'all',
    host: '0.0.0.0',
    port: 8080,
    adminHost: '127.0.0.1',
    adminPort: 9090,
    tls: null,
    adminTls: null,
    publicUrl: null,
    adminToken: null,
    dataDir: './data',
    databaseUrl: null,
    migrationDatabaseUrl: null,
    redisUrl: null,
    clickhouseUrl: null,
    proxyProcesses: 7,
    maxBodyBytes: 33_554_432,
    maxBodiesTotalBytes: 536_870_912,
    drainDelaySeconds: 0,
    drainSeconds: 600,
    keyGraceSeconds: 3600,
    explainDays: 7,
    explainPerSecond: 50,
    controlUrl: null,
    skypilot: null,
    launchTemplatesDir: null,
    launchTimeoutSeconds: 1800,
    orphanGraceSeconds: 600,
    hfToken: null,
    logLevel: 'info',
    accessLog: 'errors',
  })
})

test('takes an empty variable as unset and ignores variables that are not settings', () => {
  assert.deepEqual(settingsOf({ PORT: '', DATABASE_URL: '', PATH: '/bin', PORTS: 'x' }), settingsOf({}))
})

test('runs as many proxies as there are cores but one, at least one, and one without Redis', () => {
  assert.equal(settingsOf({}, { ...machine, cores: 1 }).proxyProcesses, 1)
  assert.equal(settingsOf({}, { ...machine, hasRedisServer: false }).proxyProcesses, 1)
  assert.equal(settingsOf({ PROXY_PROCESSES: '3' }).proxyProcesses, 3)
  const remote = settingsOf({ REDIS_URL: 'rediss://cache:6380/1' }, { ...machine, hasRedisServer: false })
  assert.equal(remote.proxyProcesses, 7)
  assert.equal(settingsOf({ ...stores, ROLE: 'control', PROXY_PROCESSES: '4' }).proxyProcesses, 0)
})

test('reports every bad setting at once', () => {
  const problems = problemsOf({
    PORT: '8080abc',
    ADMIN_PORT: '70000',
    ROLE: 'both',
    DATABASE_URL: 'mysql://root:hunter2@db',
    TLS_CERT_FILE: 'cert.pem',
    DRAIN_SECONDS: '-1',
    LOG_LEVEL: 'loud',
    SKYPILOT_URL: 'sky.internal',
    SKYPILOT_TOKEN: 'a secret',
    CONTROL_URL: 'control:9090',
    LAUNCH_TIMEOUT_SECONDS: '0',
  })
  const named = problems.map((problem) => problem.split(' ')[0])
  assert.deepEqual(named.toSorted(), [
    'ADMIN_PORT',
    'CONTROL_URL',
    'DATABASE_URL',
    'DRAIN_SECONDS',
    'LAUNCH_TIMEOUT_SECONDS',
    'LOG_LEVEL',
    'PORT',
    'ROLE',
    'SKYPILOT_TOKEN',
    'SKYPILOT_URL',
    'TLS_KEY_FILE',
  ])
  assert.match(problems.join('\n'), /PORT must be a whole number from 0 to 65535 \(got "8080abc"\)/)
  assert.doesNotMatch(problems.join('\n'), /hunter2|secret/)
})

test('wants the SkyPilot server of a token, and derives where agents reach the admin port', () => {
  assert.deepEqual(problemsOf({ SKYPILOT_TOKEN: 'secret' }), [
    'SKYPILOT_URL must be set together with SKYPILOT_TOKEN',
  ])
  assert.deepEqual(settingsOf({ SKYPILOT_URL: 'http://sky', SKYPILOT_TOKEN: 'secret' }).skypilot, {
    url: 'http://sky',
    token: 'secret',
  })
  assert.equal(settingsOf({}).skypilot, null)
  assert.equal(controlUrl(settingsOf({ ADMIN_HOST: '::', ADMIN_PORT: '90' })), 'http://localhost:90')
  assert.equal(controlUrl(settingsOf({ CONTROL_URL: 'https://control' })), 'https://control')
})

test('wants every store URL for a role of its own', () => {
  assert.deepEqual(problemsOf({ ROLE: 'proxy', DATABASE_URL: stores.DATABASE_URL }), [
    'REDIS_URL must be set when ROLE is proxy',
    'CLICKHOUSE_URL must be set when ROLE is proxy',
  ])
  assert.equal(settingsOf({ ...stores, ROLE: 'control' }).role, 'control')
})

test('wants no owner role for the embedded Postgres', () => {
  assert.deepEqual(problemsOf({ MIGRATION_DATABASE_URL: stores.DATABASE_URL }), [
    'DATABASE_URL must be set together with MIGRATION_DATABASE_URL',
  ])
})

test('takes one Redis server or the nodes of a cluster', () => {
  for (const url of ['redis://:secret@cache:6379/0', 'redis+cluster://a', 'redis://a:6379, rediss://b']) {
    assert.equal(settingsOf({ REDIS_URL: url }).redisUrl, url)
  }
  for (const url of ['cache:6379', 'redis://', 'http://cache', 'redis://a,b', 'redis://a b']) {
    assert.match(problemsOf({ REDIS_URL: url }).join(), /^REDIS_URL must be a URL/)
  }
})

test('refuses more than one proxy without Redis', () => {
  const [problem] = problemsOf({ PROXY_PROCESSES: '2' }, { ...machine, hasRedisServer: false })
  assert.match(problem ?? '', /^PROXY_PROCESSES must be 1 without Redis/)
})

test('does not report what follows from a bad setting alone', () => {
  const noServer = { ...machine, hasRedisServer: false }
  const cascades = { REDIS_URL: 'cache', PROXY_PROCESSES: '2', PORT: 'x', ADMIN_PORT: '8080', ROLE: 'none' }
  assert.deepEqual(
    problemsOf(cascades, noServer).map((problem) => problem.split(' ')[0]),
    ['PORT', 'REDIS_URL', 'ROLE'],
  )
})

test('wants TLS files in pairs and readable', () => {
  const unreadable: Machine = { ...machine, isReadableFile: (path) => path !== 'key.pem' }
  assert.deepEqual(
    problemsOf({ ADMIN_TLS_CERT_FILE: 'cert.pem', ADMIN_TLS_KEY_FILE: 'key.pem' }, unreadable),
    ['ADMIN_TLS_KEY_FILE must be a readable file (got "key.pem")'],
  )
  assert.deepEqual(settingsOf({ TLS_CERT_FILE: 'c', TLS_KEY_FILE: 'k' }).tls, { certFile: 'c', keyFile: 'k' })
})

test('refuses one port for both listeners, unless it is 0', () => {
  assert.equal(problemsOf({ PORT: '9090' }).length, 1)
  assert.equal(settingsOf({ PORT: '0', ADMIN_PORT: '0' }).port, 0)
})

test('refuses an admin token that no header can carry', () => {
  assert.equal(problemsOf({ ADMIN_TOKEN: 'a b' }).length, 1)
  assert.equal(problemsOf({ ADMIN_TOKEN: 'a\nb' }).length, 1)
})

test('shows tenants localhost where the host is a wildcard, and PUBLIC_URL where it is set', () => {
  assert.equal(publicUrl(settingsOf({})), 'http://localhost:8080')
  assert.equal(
    publicUrl(settingsOf({ HOST: '::1', TLS_CERT_FILE: 'c', TLS_KEY_FILE: 'k' })),
    'https://[::1]:8080',
  )
  assert.equal(publicUrl(settingsOf({ PUBLIC_URL: 'https://ai.example/v' })), 'https://ai.example/v')
})

test('takes exactly the whole numbers in range as a port', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (text) => {
      const expected =
        text === '' || (/^[0-9]{1,15}$/.test(text) && Number(text) <= 65_535 && Number(text) !== 9090)
      assert.equal(problemsOf({ PORT: text }).length === 0, expected)
    }),
  )
})

test('whatever the environment holds, it answers settings or problems that name settings, and never throws', () => {
  const value = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.nat().map(String),
    fc.constantFrom('', 'all', 'proxy', 'control', ...Object.values(stores)),
  )
  const env = fc.dictionary(fc.constantFrom(...SETTING_NAMES, 'HOME'), value)
  fc.assert(
    fc.property(env, (given) => {
      const result = readSettings(given, machine)
      if (result.ok) settingsSchema.parse(result.settings)
      else {
        assert.ok(result.problems.length > 0)
        for (const problem of result.problems)
          assert.ok(SETTING_NAMES.includes(problem.split(' ')[0] ?? ''), problem)
      }
    }),
  )
})

test('an environment that is good stays good without its unset variables', () => {
  const settings = settingsOf({ ...stores, ROLE: 'proxy', PORT: '1', ACCESS_LOG: 'all' })
  assert.deepEqual(settingsSchema.parse(JSON.parse(JSON.stringify(settings))), settings)
})
