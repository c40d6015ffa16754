import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayError } from '../../src/core/errors.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import type { Changes } from '../../src/io/changes.js'
import { createLogger } from '../../src/io/logger.js'
import { createKeyWatch, type Watched } from '../../src/proxy/key-watch.js'
import { resolvedKey } from '../support/resolved-key.js'

const NAMES = ['aa', 'bb', 'cc'] as const
type Name = (typeof NAMES)[number]

const keyNamed = (name: Name, changes: Partial<ResolvedKey> = {}) =>
  resolvedKey({ keyId: name, tenantId: name === 'cc' ? 'other' : 'tenant', ...changes })

const NOTHING: Changes = {
  version: 2,
  complete: true,
  catalogue: false,
  keyDigests: [],
  tenantIds: [],
  accessChangedAt: [],
}
const digestOf = (name: Name) => Buffer.from(name, 'hex')
const turn = () => new Promise(setImmediate)

/** The watch over requests of the test's, with a database that answers when and what the test says. */
function watchOver() {
  const requests: (Watched & { error: GatewayError | null; expiresAt: number | null; place: number })[] = []
  const asked: { name: string; answer: (key: ResolvedKey | null) => void; fail: () => void }[] = []
  const heeded: number[] = []
  let now = 0
  let under = 0
  let most = 0
  const watch = createKeyWatch({
    open: {
      each: (visit) => {
        for (const request of requests) if (request.place >= 0) visit(request)
      },
    },
    nameOf: (key) => NAMES.find((name) => name === key.keyId) ?? null,
    findKey: async (digest) => {
      most = Math.max(most, ++under)
      const answer = new Promise<ResolvedKey | null>((resolve, reject) => {
        const fail = () => {
          reject(new Error('down'))
        }
        asked.push({ name: digest.toString('hex'), answer: resolve, fail })
      })
      return answer.finally(() => under--)
    },
    onHeeded: (at) => heeded.push(at),
    logger: createLogger({ level: 'silent', process: 'test' }),
    now: () => now,
  })
  return {
    watch,
    asked,
    heeded,
    most: () => most,
    at: (ms: number) => {
      now = ms
      watch.sweep()
    },
    open: (key: ResolvedKey) => {
      const request = {
        key,
        expiresAt: key.expiresAt,
        place: requests.length,
        error: null as GatewayError | null,
        end(error: GatewayError) {
          request.error = error
          request.place = -1
        },
      }
      requests.push(request)
      return request
    },
  }
}

test('a key that is named is looked up once for all its requests, and they end when it is no longer good', async () => {
  const { watch, asked, heeded, open } = watchOver()
  const [one, two, other] = [open(keyNamed('aa')), open(keyNamed('aa')), open(keyNamed('bb'))]
  watch.changed({ ...NOTHING, keyDigests: [digestOf('aa')], accessChangedAt: [7] })
  assert.deepEqual(
    asked.map(({ name }) => name),
    ['aa'],
  )
  assert.deepEqual([one.error, heeded], [null, []])
  asked[0]?.answer(null)
  await turn()
  assert.deepEqual(
    [one.error?.code, two.error?.code, other.error],
    ['invalid_api_key', 'invalid_api_key', null],
  )
  assert.deepEqual(heeded, [7])
})

test("a suspended tenant's requests end with its error, a good key's run on with its new expiry", async () => {
  const { watch, asked, open, at } = watchOver()
  const [one, two, stranger] = [open(keyNamed('aa')), open(keyNamed('bb')), open(keyNamed('cc'))]
  watch.changed({ ...NOTHING, tenantIds: ['tenant'] })
  assert.equal(asked.length, 2)
  asked[0]?.answer(keyNamed('aa', { version: 2, tenantStatus: 'suspended' }))
  asked[1]?.answer(keyNamed('bb', { version: 2, expiresAt: 50 }))
  await turn()
  assert.deepEqual([one.error?.code, two.error, stranger.error], ['tenant_suspended', null, null])
  at(49)
  assert.deepEqual([two.error], [null])
  at(50)
  assert.equal(two.error?.code, 'invalid_api_key')
})

test('without an answer nothing ends, and it is asked again', async () => {
  const { watch, asked, heeded, open, at } = watchOver()
  const request = open(keyNamed('aa'))
  watch.changed({ ...NOTHING, keyDigests: [digestOf('aa')], accessChangedAt: [7] })
  asked[0]?.fail()
  await turn()
  at(499)
  assert.deepEqual([request.error, asked.length, heeded], [null, 1, []])
  at(500)
  assert.equal(asked.length, 2)
  asked[1]?.answer(null)
  await turn()
  assert.deepEqual([request.error?.code, heeded], ['invalid_api_key', [7]])
})

test('of a key whose requests have all ended meanwhile nothing is asked any more', async () => {
  const { watch, asked, heeded, open, at } = watchOver()
  const request = open(keyNamed('aa'))
  watch.changed({ ...NOTHING, keyDigests: [digestOf('aa')], accessChangedAt: [7] })
  asked[0]?.fail()
  await turn()
  request.place = -1
  at(1_000)
  assert.deepEqual([asked.length, heeded, request.error], [1, [7], null])
})

test('a key that changes while it is looked up is looked up again', async () => {
  const { watch, asked, open } = watchOver()
  const request = open(keyNamed('aa'))
  watch.changed({ ...NOTHING, keyDigests: [digestOf('aa')] })
  watch.changed({ ...NOTHING, keyDigests: [digestOf('aa')], version: 3 })
  assert.equal(asked.length, 1)
  asked[0]?.answer(keyNamed('aa', { version: 2 }))
  await turn()
  assert.deepEqual([request.error, asked.length], [null, 2])
  asked[1]?.answer(null)
  await turn()
  assert.equal(request.error?.code, 'invalid_api_key')
})

test('when it is not known what changed every key in use is looked up, a few at a time; copies have none', async () => {
  const { watch, asked, open, most } = watchOver()
  const copy = open({ ...keyNamed('aa'), keyId: 'platform' })
  const requests = NAMES.map((name) => open(keyNamed(name)))
  watch.changed({ ...NOTHING, complete: false })
  for (let at = 0; at < requests.length; at++) {
    asked[at]?.answer(null)
    await turn()
  }
  assert.ok(requests.every(({ error }) => error?.code === 'invalid_api_key'))
  assert.deepEqual([copy.error, asked.length], [null, 3])
  assert.ok(most() <= 4)
})

test('a change that concerns no request under way is heeded at once', () => {
  const { watch, asked, heeded, open } = watchOver()
  open(keyNamed('aa'))
  watch.changed({ ...NOTHING, keyDigests: [digestOf('bb')], accessChangedAt: [3, 4] })
  watch.changed({ ...NOTHING, catalogue: true })
  assert.deepEqual([asked.length, heeded], [0, [3, 4]])
})
