import { API_KEY_LENGTH, apiKeyDigestHex, bearerToken, isWellFormedApiKey } from '../core/api-key.js'
import { GatewayError } from '../core/errors.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import { inTime } from '../io/in-time.js'
import { createBoundedMap } from './bounded-map.js'
import type { PacedRefusals } from './paced-refusals.js'
import { SHARED_KEY_TTL_SECONDS, type SharedKeyCache } from './shared-key-cache.js'

/**
 * Checks API keys: this process's memory, then Redis, then Postgres. An entry is void when the change feed names
 * its key or tenant; the feed's floor versions make a late cache write harmless. Unknown keys fail closed, fast.
 */
export interface KeyAuth {
  /**
   * The key of an Authorization header when this process knows it: the warm path, synchronous. Null: not known
   * here, {@link resolve} has to look further.
   * @throws GatewayError `invalid_api_key` for a malformed, unknown or expired key, `auth_unavailable` when what
   * is cached may no longer be relied on
   */
  known(authorization: string | undefined): ResolvedKey | null
  /**
   * The key, looked up in Redis and Postgres where memory does not have it; look-ups of one key at a time are shared.
   * Rejects as `known` throws.
   */
  resolve(authorization: string | undefined): Promise<ResolvedKey>
  /** Answers a caller with an error; one whose key is not good in its turn, where there are many. */
  refuse(error: unknown, send: () => void): void
  /** Goes up with every change that is heard of: while it stays, what was found good may be taken for good. */
  readonly epoch: number
  /** Whether a key that was found in that epoch may still be relied on; if not, it has to be asked for again. */
  holds(key: ResolvedKey, epoch: number): boolean
  /**
   * Names a key as the change feed does, by its digest in hexadecimal; null: it was not found here. What is copied
   * from a key has no name.
   */
  readonly nameOf: (key: ResolvedKey) => string | null
  /** All that could void what the shared cache holds has been told. */
  trustShared(): void
  /** The key changed at this version of the change feed: what was read before is void. */
  keyChanged(digest: Buffer, version: number): void
  /** These tenants, or environments of theirs, changed. */
  tenantsChanged(tenantIds: readonly string[], version: number): void
  /** It is not known what changed up to this version: all that is held is void. */
  everythingChanged(version: number): void
}

export interface KeyAuthOptions {
  /** Null: no such key, revoked or expired. */
  readonly findKey: (digest: Buffer) => Promise<ResolvedKey | null>
  /** Null: no Redis. */
  readonly shared: SharedKeyCache | null
  /** Unix milliseconds. */
  readonly now: () => number
  /** When the change feed was last known to be current, in Unix milliseconds. */
  readonly feedCurrentAt: () => number
  /** How long cached keys are honoured when the feed cannot be read. */
  readonly graceMs: number
  readonly onLookup: (source: 'memory' | 'redis' | 'postgres', result: 'hit' | 'miss' | 'error') => void
  readonly refusals: PacedRefusals
  /** A key was presented and found good; on every request's way. */
  readonly onUse: (key: ResolvedKey) => void
}

const MOST_KEYS = 200_000
const MOST_UNKNOWN = 100_000
/** Floors outlive every cached value that they could void: the shared cache's TTL with room. */
const MOST_FLOORS = 100_000
const UNKNOWN_FOR_MS = 5_000
/** After a restored database the shared cache is passed over until it holds nothing of before. */
const DISTRUST_MS = 1_000 * SHARED_KEY_TTL_SECONDS
/** How often a key is read again that changes while it is being read. */
const MOST_READINGS = 5
/** Keys that Postgres is asked for at once, some hundred in a statement; a flood of made-up ones queues behind these. */
const MOST_LOOKUPS = 2_000
const MOST_WAITING = 1_000
/** A Postgres that hangs must not hold a request longer; its connection is given up later. */
const LOOKUP_MS = 1_500
/** After a failed look-up the next ones fail at once for this long, instead of each waiting for a time-out. */
const FAILED_FOR_MS = 500

export function createKeyAuth(options: KeyAuthOptions): KeyAuth {
  const { findKey, shared, now, feedCurrentAt, graceMs, onLookup, onUse, refusals } = options
  const keys = createBoundedMap<string, ResolvedKey>(MOST_KEYS)
  /** Digest → when it may be asked for again. */
  const unknown = createBoundedMap<string, number>(MOST_UNKNOWN)
  // A floor that is forgotten is raised under everything: else what it voided could come back.
  const raiseAll = (floor: number) => {
    floorOfAll = Math.max(floorOfAll, floor)
  }
  const keyFloors = createBoundedMap<string, number>(MOST_FLOORS, raiseAll)
  const tenantFloors = createBoundedMap<string, number>(MOST_FLOORS, raiseAll)
  const names = new WeakMap<ResolvedKey, string>()
  const underWay = new Map<string, Promise<ResolvedKey | null>>()
  const waiting: (() => void)[] = []
  let lookups = 0
  let failedUntil = 0
  let floorOfAll = 0
  /** The newest version heard of. */
  let newest = 0
  let epoch = 0
  /** How often all was void. */
  let voidings = 0
  /** Until what changed before this process began has been told, the shared cache may hold what is void. */
  let trustSharedFrom = Infinity

  const isVoid = (id: string, key: ResolvedKey) =>
    key.version < floorOfAll ||
    key.version < (keyFloors.get(id) ?? -1) ||
    key.version < (tenantFloors.get(key.tenantId) ?? -1)

  /** @returns digest in hexadecimal; throws for what cannot be a key, before any look-up outside */
  function identify(text: string): string {
    if (!isWellFormedApiKey(text)) throw new GatewayError('invalid_api_key')
    return apiKeyDigestHex(text)
  }

  /** The key when memory has it. What is known is well-formed, so its shape and checksum are not looked at again. */
  function fromMemory(text: string): ResolvedKey | null {
    if (text.length !== API_KEY_LENGTH) return null
    const key = keys.get(apiKeyDigestHex(text))
    if (key === undefined) return null
    if (now() - feedCurrentAt() > graceMs) throw new GatewayError('auth_unavailable')
    onLookup('memory', 'hit')
    return checked(key)
  }

  function checked(key: ResolvedKey): ResolvedKey {
    if (key.expiresAt !== null && key.expiresAt <= now()) throw new GatewayError('invalid_api_key')
    onUse(key)
    return key
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (lookups >= MOST_LOOKUPS) {
      if (waiting.length >= MOST_WAITING) throw new GatewayError('auth_unavailable')
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
    lookups++
    try {
      return await work()
    } finally {
      lookups--
      waiting.shift()?.()
    }
  }

  async function fromShared(id: string): Promise<ResolvedKey | null> {
    if (shared === null || now() < trustSharedFrom) return null
    try {
      const key = await shared.get(id)
      onLookup('redis', key === null ? 'miss' : 'hit')
      return key === null || isVoid(id, key) ? null : key
    } catch {
      // A Redis that is slow or gone costs a look-up in Postgres, no more; the metric tells.
      onLookup('redis', 'error')
      return null
    }
  }

  async function fromPostgres(id: string): Promise<ResolvedKey | null> {
    if (now() < failedUntil) throw new GatewayError('auth_unavailable')
    try {
      const key = await inTime(LOOKUP_MS, findKey(Buffer.from(id, 'hex')), 'the look-up of keys')
      onLookup('postgres', key === null ? 'miss' : 'hit')
      if (key !== null) shared?.set(id, key)
      return key
    } catch (error) {
      onLookup('postgres', 'error')
      failedUntil = now() + FAILED_FOR_MS
      throw new GatewayError('auth_unavailable', { cause: error })
    }
  }

  async function lookUp(id: string): Promise<ResolvedKey | null> {
    for (let reading = 1; ; reading++) {
      const floor = keyFloors.get(id)
      const voided = voidings
      const key = (await fromShared(id)) ?? (await inTurn(() => fromPostgres(id)))
      // A change that was heard of meanwhile may be one that the answer does not know.
      const isCurrent = key === null ? keyFloors.get(id) === floor : !isVoid(id, key)
      if (isCurrent && voidings === voided) {
        remember(id, key)
        return key
      }
      if (reading === MOST_READINGS) throw new GatewayError('auth_unavailable')
    }
  }

  function heardOf(version: number): void {
    newest = version
    epoch++
  }

  function remember(id: string, key: ResolvedKey | null): void {
    if (key === null) {
      unknown.set(id, now() + UNKNOWN_FOR_MS)
      return
    }
    names.set(key, id)
    keys.set(id, key)
  }

  return {
    known(authorization) {
      const text = bearerToken(authorization)
      const key = fromMemory(text)
      if (key !== null) return key
      const unknownUntil = unknown.get(identify(text))
      if (unknownUntil !== undefined && now() < unknownUntil) {
        onLookup('memory', 'miss')
        throw new GatewayError('invalid_api_key')
      }
      return null
    },
    async resolve(authorization) {
      const text = bearerToken(authorization)
      const id = identify(text)
      const known = fromMemory(text)
      if (known !== null) return known
      let pending = underWay.get(id)
      if (pending === undefined) {
        pending = lookUp(id).finally(() => underWay.delete(id))
        underWay.set(id, pending)
      }
      const key = await pending
      if (key === null) throw new GatewayError('invalid_api_key')
      return checked(key)
    },
    refuse(error, send) {
      if (error instanceof GatewayError && error.code === 'invalid_api_key') refusals.answer(send)
      else send()
    },
    get epoch() {
      return epoch
    },
    holds: (key, since) => since === epoch && (key.expiresAt === null || key.expiresAt > now()),
    nameOf: (key) => names.get(key) ?? null,
    trustShared() {
      trustSharedFrom = -Infinity
    },
    keyChanged(digest, version) {
      heardOf(version)
      const id = digest.toString('hex')
      keyFloors.set(id, version)
      keys.delete(id)
      unknown.delete(id)
    },
    tenantsChanged(tenantIds, version) {
      if (tenantIds.length === 0) return
      heardOf(version)
      const changed = new Set(tenantIds)
      for (const tenantId of changed) tenantFloors.set(tenantId, version)
      for (const [id, key] of keys.entries()) if (changed.has(key.tenantId)) keys.delete(id)
    },
    everythingChanged(version) {
      // The counter may have gone back with a restored database, so the old floors go as well.
      for (const map of [keys, unknown, keyFloors, tenantFloors]) map.clear()
      if (version < newest) trustSharedFrom = now() + DISTRUST_MS
      else if (trustSharedFrom === Infinity) trustSharedFrom = -Infinity
      voidings++
      heardOf(version)
      floorOfAll = version
    },
  }
}
