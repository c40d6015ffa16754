import { apiKeyDigest, generateApiKey } from '../../src/core/api-key.js'
import { GatewayError } from '../../src/core/errors.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { UNLIMITED } from '../../src/core/tiers.js'
import { createKeyAuth, type KeyAuth } from '../../src/proxy/key-auth.js'
import { createPacedRefusals } from '../../src/proxy/paced-refusals.js'
import type { MicroBench } from './harness/bench.js'
import { sampleBytes, sampleId } from './inputs/text.js'
import { turns } from './inputs/turns.js'

const KEYS = 1_000

function sampleKeys(): string[] {
  return Array.from({ length: KEYS }, (_, index) => generateApiKey('live', sampleBytes(index + 1, 32)))
}

function resolved(index: number): ResolvedKey {
  return {
    keyId: sampleId(index),
    keyName: `key ${index}`,
    environmentId: sampleId(10_000 + index),
    tenantId: sampleId(20_000 + (index % 50)),
    tenantStatus: 'active',
    tier: 'pro',
    role: 'developer',
    allowedModels: null,
    tenantAllowedModels: null,
    limits: { key: UNLIMITED, environment: UNLIMITED, tenant: UNLIMITED },
    monthlyBudgetNanos: null,
    expiresAt: null,
    version: 1,
  }
}

/** As a proxy sets it up, with a store that knows the keys. */
function createAuth(keys: readonly string[]): KeyAuth {
  const byDigest = new Map(keys.map((key, index) => [apiKeyDigest(key).toString('hex'), resolved(index)]))
  return createKeyAuth({
    findKey: (digest) => Promise.resolve(byDigest.get(digest.toString('hex')) ?? null),
    shared: null,
    now: Date.now,
    feedCurrentAt: Date.now,
    graceMs: 3_600_000,
    onLookup: () => {},
    onUse: () => {},
    refusals: createPacedRefusals(),
  })
}

/** With another last character the checksum does not hold. */
function mistyped(key: string): string {
  return key.slice(0, -1) + (key.endsWith('0') ? '1' : '0')
}

/** Checking an API key that this process knows, and one that cannot be a key. */
export const keyAuth: MicroBench = {
  name: 'key-auth',
  title: `an Authorization header against a memory of ${KEYS} keys; without the metric's count`,
  cases: [
    {
      name: 'known key',
      operation: 'KeyAuth.known of a key that is in memory',
      async start() {
        const keys = sampleKeys()
        const auth = createAuth(keys)
        const headers = keys.map((key) => `Bearer ${key}`)
        for (const header of headers) await auth.resolve(header)
        const next = turns(headers)
        return { run: () => auth.known(next()) }
      },
    },
    {
      name: 'malformed key',
      operation: 'KeyAuth.known of a key whose checksum does not hold; the error is caught',
      start() {
        const auth = createAuth([])
        const next = turns(sampleKeys().map((key) => `Bearer ${mistyped(key)}`))
        return {
          run() {
            try {
              return auth.known(next())
            } catch (error) {
              if (error instanceof GatewayError) return error
              throw error
            }
          },
        }
      },
    },
  ],
}
