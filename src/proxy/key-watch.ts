import { GatewayError } from '../core/errors.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { Changes } from '../io/changes.js'
import type { Logger } from '../io/logger.js'
import type { Exchange } from './exchange.js'

/** What is watched of a request. */
export type Watched = Pick<Exchange, 'key' | 'expiresAt' | 'place' | 'end'>

export interface KeyWatchOptions {
  readonly open: { each(visit: (request: Watched) => void): void }
  /** The digest of a key in hexadecimal; null: of one that is not to be watched. */
  readonly nameOf: (key: ResolvedKey) => string | null
  /** The truth. Null: no such key, revoked or expired. */
  readonly findKey: (digest: Buffer) => Promise<ResolvedKey | null>
  /** A key or tenant that changed then, in Unix milliseconds, is heeded from now on. */
  readonly onHeeded: (changedAtMs: number) => void
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Ends the requests under way whose key has come to its end. */
export interface KeyWatch {
  /** These changes are in effect for new requests; those under way are looked after from now on. */
  changed(changes: Changes): void
  /** Ends what is used past its key's expiry, and asks again where there was no answer; several times a second. */
  sweep(): void
}

/** A key that has to be looked up again. */
interface Doubt {
  /** What it must be as new as. */
  version: number
  readonly requests: Set<Watched>
  askable: boolean
  notBefore: number
  /** What waits for the answer. */
  readonly settled: (() => void)[]
}

const MOST_LOOKUPS = 4
const RETRY_MS = 500

/**
 * Looks the keys of open requests up again when the change feed names them or their tenants, each once, and ends those
 * that are no longer good. While there is no answer nothing ends, and it is asked again.
 */
export function createKeyWatch(options: KeyWatchOptions): KeyWatch {
  const { open, nameOf, findKey, onHeeded, logger, now } = options
  const doubts = new Map<string, Doubt>()
  let lookups = 0
  let failing = false

  /** Raises doubts about the keys of open requests. @returns those */
  function doubt(isNamed: (name: string, key: ResolvedKey) => boolean, version: number): Set<Doubt> {
    const raised = new Set<Doubt>()
    open.each((request) => {
      const name = nameOf(request.key)
      if (name === null || !isNamed(name, request.key)) return
      let one = doubts.get(name)
      if (one === undefined) {
        one = { version, requests: new Set(), askable: true, notBefore: 0, settled: [] }
        doubts.set(name, one)
      }
      one.version = version
      one.requests.add(request)
      raised.add(one)
    })
    return raised
  }

  function ask(): void {
    const at = now()
    for (const [name, one] of doubts) {
      if (lookups >= MOST_LOOKUPS) return
      if (!one.askable || at < one.notBefore) continue
      for (const request of one.requests) if (request.place < 0) one.requests.delete(request)
      if (one.requests.size === 0) settle(name, one)
      else void lookUp(name, one)
    }
  }

  async function lookUp(name: string, one: Doubt): Promise<void> {
    one.askable = false
    lookups++
    try {
      const key = await findKey(Buffer.from(name, 'hex'))
      failing = false
      // What changed while it was read is another doubt.
      if (key === null || key.version >= one.version) {
        judge(one, key)
        settle(name, one)
      }
    } catch (error) {
      one.notBefore = now() + RETRY_MS
      if (!failing) logger.warn({ event: 'keys_in_use_not_checked', error })
      failing = true
    } finally {
      one.askable = true
      lookups--
      ask()
    }
  }

  function judge({ requests }: Doubt, key: ResolvedKey | null): void {
    for (const request of requests) {
      if (request.place < 0) continue
      if (key === null) request.end(new GatewayError('invalid_api_key'))
      else if (key.tenantStatus === 'suspended') request.end(new GatewayError('tenant_suspended'))
      // What else it allows is for new requests.
      else request.expiresAt = key.expiresAt
    }
  }

  function settle(name: string, one: Doubt): void {
    doubts.delete(name)
    for (const told of one.settled) told()
  }

  return {
    changed(changes) {
      const { complete, keyDigests, tenantIds, accessChangedAt, version } = changes
      const digests = new Set(keyDigests.map((digest) => digest.toString('hex')))
      const tenants = new Set(tenantIds)
      if (complete && digests.size === 0 && tenants.size === 0) return
      const raised = doubt(
        (name, key) => !complete || digests.has(name) || tenants.has(key.tenantId),
        version,
      )
      let left = raised.size
      const heeded = () => {
        for (const at of accessChangedAt) onHeeded(at)
      }
      if (left === 0) heeded()
      for (const one of raised) {
        one.settled.push(() => {
          if (--left === 0) heeded()
        })
      }
      ask()
    },
    sweep() {
      const at = now()
      open.each((request) => {
        const { expiresAt } = request
        if (expiresAt !== null && expiresAt <= at) request.end(new GatewayError('invalid_api_key'))
      })
      if (doubts.size > 0) ask()
    },
  }
}
