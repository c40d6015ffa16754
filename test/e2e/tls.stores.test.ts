import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { z } from 'zod'
import { startGateway, type Gateway } from '../../bench/gateway.js'
import { CERTIFICATE, CERTIFICATE_KEY } from '../support/certificate.js'
import { startGatewayProcess } from '../support/gateway-process.js'
import { freshClickHouse, freshDatabase } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** One gateway as production has it: certificates on both ports, an owner and an app role, the admin host's default. */
let gateway: Gateway
let ports: { readonly tenant: number; readonly admin: number }
const opened: AsyncDisposable[] = []

async function opening<T extends AsyncDisposable>(promise: Promise<T>): Promise<T> {
  const one = await promise
  opened.push(one)
  return one
}

before(async () => {
  const folder = await opening(temporaryFolder())
  const certFile = join(folder.path, 'cert.pem')
  const keyFile = join(folder.path, 'key.pem')
  await writeFile(certFile, CERTIFICATE)
  await writeFile(keyFile, CERTIFICATE_KEY, { mode: 0o600 })
  const database = await opening(freshDatabase())
  const clickhouse = await opening(freshClickHouse())
  gateway = await opening(
    startGateway({
      env: {
        DATABASE_URL: database.appUrl,
        MIGRATION_DATABASE_URL: database.url,
        CLICKHOUSE_URL: clickhouse.url,
        HOST: '',
        ADMIN_HOST: '',
        TLS_CERT_FILE: certFile,
        TLS_KEY_FILE: keyFile,
        ADMIN_TLS_CERT_FILE: certFile,
        ADMIN_TLS_KEY_FILE: keyFile,
      },
    }),
  )
  const { tenantPort, adminPort } = await gateway.process.ready()
  ports = { tenant: tenantPort ?? 0, admin: adminPort }
})

after(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]()
})

async function call(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: object } = {},
) {
  const { method = 'GET', headers = {}, body } = options
  const sent = request({
    host: 'localhost',
    family: 4,
    port,
    path,
    method,
    headers,
    ca: CERTIFICATE,
    agent: false,
  })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject)
  })
  return { status: response.statusCode, body: await text(response) }
}

/** Whether something listens there. */
function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, host)
    const end = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.on('connect', () => {
      end(true)
    })
    socket.on('error', () => {
      end(false)
    })
  })
}

for (const name of ['tenant', 'admin'] as const) {
  test(`the ${name} port speaks HTTPS with its certificate, and nothing else`, async () => {
    assert.equal((await call(ports[name], '/health')).status, 200)
    const socket = connect({ host: 'localhost', port: ports[name], ca: CERTIFICATE, servername: 'localhost' })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    assert.equal(socket.authorized, true)
    assert.match(socket.getProtocol() ?? '', /^TLSv1\.[23]$/)
    socket.destroy()
    await assert.rejects(fetch(`http://127.0.0.1:${ports[name]}/health`))
  })

  test(`the ${name} port refuses TLS older than 1.2`, async () => {
    const socket = connect({
      host: 'localhost',
      port: ports[name],
      ca: CERTIFICATE,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      // Without this OpenSSL would not even offer it.
      ciphers: 'DEFAULT:@SECLEVEL=0',
    })
    await assert.rejects(
      new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject)),
      /alert protocol version|ECONNRESET|disconnected/,
    )
    socket.destroy()
  })
}

test('the admin port listens on loopback alone unless told otherwise, the tenant port everywhere', async () => {
  // All of 127/8 is this machine: a port on every address answers there too.
  assert.equal(await accepts('127.0.0.1', ports.admin), true)
  assert.equal(await accepts('127.0.0.2', ports.admin), false)
  assert.equal(await accepts('127.0.0.2', ports.tenant), true)
})

const Token = z.object({ id: z.string(), token: z.string() })
const Logs = z.object({ data: z.array(z.object({ actor: z.string(), action: z.string() })) })

test('a named token works until it is revoked, through worker threads that run as the role of the app', async () => {
  const root = { 'x-admin-token': gateway.adminToken }
  const made = await call(ports.admin, '/admin/tokens', {
    method: 'POST',
    headers: root,
    body: { name: 'e2e', scope: 'admin' },
  })
  assert.equal(made.status, 201, made.body)
  const { id, token } = Token.parse(JSON.parse(made.body))
  const headers = { 'x-admin-token': token }
  const tenant = { name: 'Acme', email: 'tls@acme.example', tier: 'enterprise' }
  const created = await call(ports.admin, '/admin/tenants', { method: 'POST', headers, body: tenant })
  assert.equal(created.status, 201, created.body)
  const { api_key: key } = z.object({ api_key: z.string() }).parse(JSON.parse(created.body))
  const models = await call(ports.tenant, '/v1/models', { headers: { authorization: `Bearer ${key}` } })
  assert.equal(models.status, 200, models.body)

  const exported = await call(ports.admin, '/admin/audit-logs/export?format=ndjson', { headers })
  assert.equal(exported.body.trimEnd().split('\n').length, 2)
  const logs = Logs.parse(JSON.parse((await call(ports.admin, '/admin/audit-logs', { headers })).body))
  assert.deepEqual(logs.data, [
    { actor: 'admin:e2e', action: 'tenant.create' },
    { actor: 'admin:root', action: 'admin-token.create' },
  ])
  assert.equal(
    (await call(ports.admin, `/admin/tokens/${id}`, { method: 'DELETE', headers: root })).status,
    200,
  )
  assert.equal((await call(ports.admin, '/admin/tokens', { headers })).status, 401)
  const metrics = await call(ports.admin, '/metrics')
  assert.match(metrics.body, /^crosslogic_admin_auth_failures_total 1$/m)
})

test('two roles leave nothing to warn of', () => {
  assert.deepEqual(
    gateway.process.lines.filter(({ event }) => event === 'audit_log_unprotected'),
    [],
  )
})

test('a certificate that cannot be used stops the start with its reason', async () => {
  await using folder = await temporaryFolder()
  const certFile = join(folder.path, 'cert.pem')
  await writeFile(certFile, 'no certificate')
  await using database = await freshDatabase()
  await using clickhouse = await freshClickHouse()
  await using broken = startGatewayProcess({
    command: [process.execPath, 'dist/src/main.js'],
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: '0',
      PROXY_PROCESSES: '1',
      DATA_DIR: join(folder.path, 'data'),
      DATABASE_URL: database.url,
      CLICKHOUSE_URL: clickhouse.url,
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: certFile,
    },
  })
  const { code } = await broken.exited
  assert.equal(code, 1)
  const last = broken.lines.at(-1)
  assert.match(last?.msg ?? '', /the TLS certificate in .*cert\.pem with the key in .* cannot be used/)
})
