import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiKeyDigest, generateApiKey } from '../../src/core/api-key.js'
import { GatewayError } from '../../src/core/errors.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { createKeyAuth, type KeyAuthOptions } from '../../src/proxy/key-auth.js'
import type { SharedKeyCache } from '../../src/proxy/shared-key-cache.js'

const keyText = (n: number) => generateApiKey('live', Buffer.alloc(32, n))
const bearer = (n: number) => `Bearer ${keyText(n)}`

function resolvedKey(version = 1, changes: Partial<ResolvedKey> = {}): ResolvedKey {
  return {
    keyId: 'key',
    keyName: 'first',
    environmentId: 'environment',
    tenantId: 'tenant',
    tenantStatus: 'active',
    tier: 'pro',
    role: 'admin',
    allowedModels: null,
    tenantAllowedModels: null,
    expiresAt: null,
    version,
    ...changes,
  }
}

function authWith(options: Partial<KeyAuthOptions>) {
  return createKeyAuth({
    findKey: () => Promise.resolve(resolvedKey()),
    shared: null,
    now: () => 0,
    feedCurrentAt: () => 0,
    graceMs: 1_000,
    onLookup: () => {},
    ...options,
  })
}

const refusedWith = (code: string) => (error: unknown) => error instanceof GatewayError && error.code === code

test('refuses what cannot be a key before any look-up', async () => {
  const auth = authWith({ findKey: () => Promise.reject(new Error('was asked')) })
  const mistyped = keyText(1).replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
  for (const header of [undefined, '', 'Bearer', `Bearer ${mistyped}`, `Basic ${keyText(1)}`, keyText(1)]) {
    assert.throws(() => auth.known(header), refusedWith('invalid_api_key'))
    await assert.rejects(auth.resolve(header), refusedWith('invalid_api_key'))
  }
})

test('looks a key up once for all who ask at the same time, and then knows it', async () => {
  let lookups = 0
  const auth = authWith({
    findKey: () => {
      lookups++
      return Promise.resolve(resolvedKey())
    },
  })
  assert.equal(auth.known(bearer(1)), null)
  await Promise.all(Array.from({ length: 50 }, () => auth.resolve(bearer(1))))
  assert.equal(lookups, 1)
  assert.equal(auth.known(bearer(1))?.keyId, 'key')
})

test('remembers an unknown key for a while, and forgets that at once when it is made', async () => {
  let made = false
  let now = 0
  let lookups = 0
  const auth = authWith({
    now: () => now,
    findKey: () => {
      lookups++
      return Promise.resolve(made ? resolvedKey(2) : null)
    },
  })
  await assert.rejects(auth.resolve(bearer(1)), refusedWith('invalid_api_key'))
  assert.throws(() => auth.known(bearer(1)), refusedWith('invalid_api_key'))
  assert.equal(lookups, 1)
  made = true
  auth.keyChanged(apiKeyDigest(keyText(1)), 2)
  assert.equal((await auth.resolve(bearer(1))).version, 2)

  await assert.rejects(
    authWith({ now: () => now, findKey: () => Promise.resolve(null) }).resolve(bearer(2)),
    refusedWith('invalid_api_key'),
  )
  made = false
  await assert.rejects(auth.resolve(bearer(3)), refusedWith('invalid_api_key'))
  now = 5_000
  assert.equal(auth.known(bearer(3)), null, 'asked again after five seconds')
})

test('a look-up that was under way when the key was made does not hide it', async () => {
  let answer: (key: ResolvedKey | null) => void = () => {}
  const auth = authWith({ findKey: () => new Promise((resolve) => (answer = resolve)) })
  const asked = auth.resolve(bearer(1))
  await Promise.resolve()
  await Promise.resolve()
  auth.keyChanged(apiKeyDigest(keyText(1)), 2)
  answer(null)
  await assert.rejects(asked, refusedWith('invalid_api_key'))
  assert.equal(auth.known(bearer(1)), null, 'not remembered as unknown')
})

test('a revoked key never comes back through what was read before, here or in the shared cache', async () => {
  const cache = new Map<string, ResolvedKey>()
  const shared: SharedKeyCache = {
    get: (id) => Promise.resolve(cache.get(id) ?? null),
    set: (id, key) => void cache.set(id, key),
  }
  let revoked = false
  const auth = authWith({ shared, findKey: () => Promise.resolve(revoked ? null : resolvedKey(5)) })
  await auth.resolve(bearer(1))
  assert.notEqual(auth.known(bearer(1)), null)

  revoked = true
  auth.keyChanged(apiKeyDigest(keyText(1)), 6)
  assert.equal(auth.known(bearer(1)), null)
  assert.equal(cache.size, 1, 'another proxy wrote the cache late')
  await assert.rejects(auth.resolve(bearer(1)), refusedWith('invalid_api_key'))
})

test('a change of the tenant voids all its keys and no others', async () => {
  const auth = authWith({
    findKey: (digest) => {
      const other = digest.equals(apiKeyDigest(keyText(2)))
      return Promise.resolve(resolvedKey(1, { tenantId: other ? 'other' : 'tenant' }))
    },
  })
  await auth.resolve(bearer(1))
  await auth.resolve(bearer(2))
  auth.tenantsChanged(['tenant'], 2)
  assert.equal(auth.known(bearer(1)), null)
  assert.notEqual(auth.known(bearer(2)), null)
  auth.everythingChanged(3)
  assert.equal(auth.known(bearer(2)), null)
})

test('an expired key is refused from memory', async () => {
  let now = 0
  const auth = authWith({ now: () => now, findKey: () => Promise.resolve(resolvedKey(1, { expiresAt: 10 })) })
  await auth.resolve(bearer(1))
  now = 10
  assert.throws(() => auth.known(bearer(1)), refusedWith('invalid_api_key'))
})

test('without the database known keys are honoured for the grace time, unknown ones fail fast', async () => {
  let now = 0
  let down = false
  let lookups = 0
  const auth = authWith({
    now: () => now,
    feedCurrentAt: () => (down ? 0 : now),
    findKey: () => {
      lookups++
      return down ? Promise.reject(new Error('down')) : Promise.resolve(resolvedKey())
    },
  })
  await auth.resolve(bearer(1))
  down = true
  await assert.rejects(auth.resolve(bearer(2)), refusedWith('auth_unavailable'))
  await assert.rejects(auth.resolve(bearer(3)), refusedWith('auth_unavailable'))
  assert.equal(lookups, 2, 'the second did not have to wait for its own failure')
  now = 1_000
  assert.notEqual(auth.known(bearer(1)), null)
  now = 1_001
  assert.throws(() => auth.known(bearer(1)), refusedWith('auth_unavailable'))
})

test('a failing shared cache costs a look-up, not the request', async () => {
  const shared: SharedKeyCache = { get: () => Promise.reject(new Error('slow')), set: () => {} }
  const seen: string[] = []
  const auth = authWith({ shared, onLookup: (source, result) => seen.push(`${source} ${result}`) })
  assert.equal((await auth.resolve(bearer(1))).keyId, 'key')
  assert.deepEqual(seen, ['redis error', 'postgres hit'])
})

test('a flood of made-up keys reaches the database in bounded numbers', async () => {
  let under = 0
  let most = 0
  const auth = authWith({
    findKey: async () => {
      most = Math.max(most, ++under)
      await new Promise((resolve) => setImmediate(resolve))
      under--
      return null
    },
  })
  const flood = Array.from({ length: 5_000 }, (_, i) => {
    const random = Buffer.alloc(32)
    random.writeUInt32BE(i)
    return auth.resolve(`Bearer ${generateApiKey('live', random)}`).catch((error: unknown) => error)
  })
  const codes = (await Promise.all(flood)).map((error) =>
    error instanceof GatewayError ? error.code : 'none',
  )
  assert.equal(most, 2_000)
  assert.equal(codes.filter((code) => code === 'auth_unavailable').length, 5_000 - 3_000)
  assert.equal(codes.filter((code) => code === 'invalid_api_key').length, 3_000)
})
