import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { apiKeyDigest, generateApiKey } from '../../src/core/api-key.js'
import { GatewayError } from '../../src/core/errors.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { createKeyAuth, type KeyAuthOptions } from '../../src/proxy/key-auth.js'
import { createPacedRefusals } from '../../src/proxy/paced-refusals.js'
import type { SharedKeyCache } from '../../src/proxy/shared-key-cache.js'
import { resolvedKey } from '../support/resolved-key.js'

const keyText = (n: number) => generateApiKey('live', Buffer.alloc(32, n))
const bearer = (n: number) => `Bearer ${keyText(n)}`

const keyOf = (version = 1, changes: Partial<ResolvedKey> = {}) => resolvedKey({ version, ...changes })

function authWith(options: Partial<KeyAuthOptions>) {
  const auth = createKeyAuth({
    findKey: () => Promise.resolve(keyOf()),
    shared: null,
    now: () => 0,
    feedCurrentAt: () => 0,
    graceMs: 1_000,
    onLookup: () => {},
    onUse: () => {},
    refusals: createPacedRefusals(),
    ...options,
  })
  auth.trustShared()
  return auth
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
      return Promise.resolve(keyOf())
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
      return Promise.resolve(made ? keyOf(2) : null)
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

/** What a look-up answers is given by the test, one after another. */
function answered() {
  const waiting: ((key: ResolvedKey | null) => void)[] = []
  return {
    findKey: () => new Promise<ResolvedKey | null>((resolve) => waiting.push(resolve)),
    answer: async (key: ResolvedKey | null) => {
      while (waiting.length === 0) await new Promise(setImmediate)
      waiting.shift()?.(key)
      await new Promise(setImmediate)
    },
  }
}

test('a look-up that was under way when the key was made is made again', async () => {
  const { findKey, answer } = answered()
  const auth = authWith({ findKey })
  const asked = auth.resolve(bearer(1))
  await new Promise(setImmediate)
  auth.keyChanged(apiKeyDigest(keyText(1)), 2)
  await answer(null)
  await answer(keyOf(2))
  assert.equal((await asked).version, 2)
  assert.notEqual(auth.known(bearer(1)), null)
})

test('a look-up that was under way when the key was revoked lets nobody in', async () => {
  const { findKey, answer } = answered()
  const auth = authWith({ findKey })
  const asked = auth.resolve(bearer(1))
  await new Promise(setImmediate)
  auth.keyChanged(apiKeyDigest(keyText(1)), 2)
  const refused = assert.rejects(asked, refusedWith('invalid_api_key'))
  await answer(keyOf(1))
  await answer(null)
  await refused
  assert.throws(() => auth.known(bearer(1)), refusedWith('invalid_api_key'))
})

test('a key that changes whenever it is read is given up, not relied on', async () => {
  let version = 1
  const auth = authWith({
    findKey: async () => {
      await new Promise(setImmediate)
      auth.keyChanged(apiKeyDigest(keyText(1)), ++version)
      return keyOf(version - 1)
    },
  })
  await assert.rejects(auth.resolve(bearer(1)), refusedWith('auth_unavailable'))
})

test('what was found good is relied on until something changes or it expires', async () => {
  let now = 0
  const auth = authWith({ now: () => now, findKey: () => Promise.resolve(keyOf(1, { expiresAt: 10 })) })
  const key = await auth.resolve(bearer(1))
  const { epoch } = auth
  assert.equal(auth.nameOf(key), apiKeyDigest(keyText(1)).toString('hex'))
  assert.equal(auth.nameOf({ ...key }), null)
  assert.equal(auth.holds(key, epoch), true)
  now = 10
  assert.equal(auth.holds(key, epoch), false)
  now = 0
  auth.tenantsChanged(['other'], 2)
  assert.equal(auth.holds(key, epoch), false)
})

test('of a database that was restored, what the shared cache holds of before is not believed', async () => {
  let now = 0
  const shared: SharedKeyCache = { get: () => Promise.resolve(keyOf(90)), set: () => {} }
  const auth = authWith({ now: () => now, shared, findKey: () => Promise.resolve(null) })
  auth.keyChanged(apiKeyDigest(keyText(2)), 100)
  auth.everythingChanged(50)
  await assert.rejects(auth.resolve(bearer(1)), refusedWith('invalid_api_key'))
  now = 300_000
  assert.equal((await auth.resolve(bearer(1))).version, 90)
})

test('a floor that is forgotten for want of room voids what it voided', async () => {
  const shared: SharedKeyCache = { get: () => Promise.resolve(keyOf(1)), set: () => {} }
  const auth = authWith({ shared, findKey: () => Promise.resolve(null) })
  auth.keyChanged(apiKeyDigest(keyText(1)), 2)
  const digest = Buffer.alloc(32)
  for (let other = 0; other < 100_000; other++) {
    digest.writeUInt32BE(other)
    auth.keyChanged(digest, 3 + other)
  }
  await assert.rejects(auth.resolve(bearer(1)), refusedWith('invalid_api_key'))
})

test('a revoked key never comes back through what was read before, here or in the shared cache', async () => {
  const cache = new Map<string, ResolvedKey>()
  const shared: SharedKeyCache = {
    get: (id) => Promise.resolve(cache.get(id) ?? null),
    set: (id, key) => void cache.set(id, key),
  }
  let revoked = false
  const auth = authWith({ shared, findKey: () => Promise.resolve(revoked ? null : keyOf(5)) })
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
      return Promise.resolve(keyOf(1, { tenantId: other ? 'other' : 'tenant' }))
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
  const auth = authWith({ now: () => now, findKey: () => Promise.resolve(keyOf(1, { expiresAt: 10 })) })
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
      return down ? Promise.reject(new Error('down')) : Promise.resolve(keyOf())
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

/**
 * Two proxies with a shared cache whose reads and writes arrive late, over one truth: what is taken from the truth, from
 * the cache and told by the feed comes in any order that the feed's own order allows.
 */
class World {
  /** Of the truth: the version counts all changes, as in the database. */
  version = 1
  good = true
  readonly steps: (() => void)[] = []
  readonly cache = new Map<string, ResolvedKey>()
  readonly proxies = [0, 1].map(() => {
    const heard = { version: 0 }
    const auth = authWith({
      shared: {
        get: async (id) => {
          await this.later()
          const found = this.cache.get(id) ?? null
          await this.later()
          return found
        },
        set: (id, key) => void this.later().then(() => this.cache.set(id, key)),
      },
      findKey: async () => {
        await this.later()
        const found = this.good ? keyOf(this.version) : null
        await this.later()
        return found
      },
    })
    return { auth, heard }
  })
  readonly wrong: string[] = []

  /** Resolves when a step lets it. */
  later(): Promise<void> {
    return new Promise((resolve) => this.steps.push(resolve))
  }

  change(good: boolean): void {
    this.good = good
    this.version++
  }

  /** A proxy hears of all changes up to now. */
  hear(proxy: number, byTenant: boolean): void {
    const { auth, heard } = this.proxies[proxy] ?? assert.fail()
    if (heard.version === this.version) return
    heard.version = this.version
    if (byTenant) auth.tenantsChanged(['tenant'], this.version)
    auth.keyChanged(apiKeyDigest(keyText(1)), this.version)
  }

  /** Whoever is let in must be so by what is no older than what its proxy had heard of. */
  ask(proxy: number): void {
    const { auth, heard } = this.proxies[proxy] ?? assert.fail()
    const check = (key: ResolvedKey) => {
      if (key.version < heard.version) this.wrong.push(`let in by ${key.version} after ${heard.version}`)
    }
    try {
      const known = auth.known(bearer(1))
      if (known !== null) check(known)
      else auth.resolve(bearer(1)).then(check, () => {})
    } catch {
      // Refused.
    }
  }
}

test('after a change was heard of nobody is let in by what was read before, however late it arrives', async () => {
  const step = fc.record({
    kind: fc.constantFrom('ask', 'ask', 'step', 'step', 'step', 'revoke', 'renew', 'hear'),
    proxy: fc.nat(1),
    pick: fc.nat(20),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const world = new World()
      for (const { kind, proxy, pick } of steps) {
        if (kind === 'ask') world.ask(proxy)
        else if (kind === 'revoke') world.change(false)
        else if (kind === 'renew') world.change(true)
        else if (kind === 'hear') world.hear(proxy, pick % 2 === 0)
        else world.steps.splice(pick % Math.max(1, world.steps.length), 1)[0]?.()
        await new Promise(setImmediate)
      }
      // Whatever is still on its way arrives; then both have heard of all, and nothing old is left.
      const settle = async () => {
        while (world.steps.length > 0) {
          world.steps.shift()?.()
          await new Promise(setImmediate)
        }
      }
      await settle()
      world.change(false)
      for (const proxy of [0, 1]) world.hear(proxy, false)
      for (const { auth } of world.proxies) {
        const refused = assert.rejects(auth.resolve(bearer(1)), refusedWith('invalid_api_key'))
        await settle()
        await refused
      }
      assert.deepEqual(world.wrong, [])
    }),
    { numRuns: 1_000 },
  )
})

test('a proxy that does not know what changed before it began passes the shared cache over', async () => {
  const shared: SharedKeyCache = { get: () => Promise.resolve(keyOf(5)), set: () => {} }
  const auth = createKeyAuth({
    findKey: () => Promise.reject(new Error('Postgres is away')),
    shared,
    now: () => 0,
    feedCurrentAt: () => 0,
    graceMs: 1_000,
    onLookup: () => {},
    onUse: () => {},
    refusals: createPacedRefusals(),
  })
  // It may have been revoked a minute ago.
  await assert.rejects(auth.resolve(bearer(1)), { code: 'auth_unavailable' })
  auth.everythingChanged(5)
  assert.equal((await auth.resolve(bearer(1))).version, 5)
  const later = authWith({ shared, findKey: () => Promise.reject(new Error('Postgres is away')) })
  assert.equal((await later.resolve(bearer(1))).version, 5)
})
