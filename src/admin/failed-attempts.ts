import { addressKey } from './address-key.js'

/** The rules of how failed attempts are slowed; see docs/adr/0014-admin-tokens.md for why they are these. */
export const WINDOW_MS = 60_000
export const FREE_FAILURES = 5
export const FIRST_DELAY_MS = 250
export const LONGEST_DELAY_MS = 4_000
/** Networks that are remembered; the one that failed longest ago is forgotten first. */
export const MOST_NETWORKS = 10_000
/** Answers that are held back at once, in all and of one network. */
export const MOST_HELD = 64
export const MOST_HELD_OF_ONE = 16

/** Beyond so many failures the delay grows no more. */
const COUNTED_FAILURES = FREE_FAILURES + 1 + Math.ceil(Math.log2(LONGEST_DELAY_MS / FIRST_DELAY_MS))

/** What is to become of a failed attempt's answer. */
export type Verdict =
  /** Sent after so long, which may be 0; `release` must be called once when it was sent or the client has left. */
  | { readonly delayMs: number; readonly release: () => void }
  /** Not sent at all: too many are held back already. */
  | 'cut'

export interface FailedAttempts {
  /** Notes that an attempt from an address has failed just now. Attempts that succeed are no concern of this. */
  failed(address: string): Verdict
  /** Networks that are remembered. */
  readonly networks: number
  /** Answers held back at the moment. */
  readonly held: number
}

interface Network {
  /** Times of the last failures, oldest first; no more than count. */
  readonly failures: number[]
  held: number
}

/**
 * How failed attempts to authenticate are slowed, by network. Bounded in what it remembers and in what it holds back;
 * pure but for the clock that it is given, in milliseconds, monotonic.
 */
export function createFailedAttempts(now: () => number): FailedAttempts {
  /** In the order of their last failure. */
  const known = new Map<string, Network>()
  let held = 0

  function touch(key: string): Network {
    const network = known.get(key) ?? { failures: [], held: 0 }
    known.delete(key)
    known.set(key, network)
    if (known.size > MOST_NETWORKS) {
      for (const oldest of known.keys()) {
        known.delete(oldest)
        break
      }
    }
    return network
  }

  return {
    failed(address) {
      const at = now()
      const network = touch(addressKey(address))
      const { failures } = network
      while (failures[0] !== undefined && at - failures[0] >= WINDOW_MS) failures.shift()
      failures.push(at)
      if (failures.length > COUNTED_FAILURES) failures.shift()
      const beyond = failures.length - FREE_FAILURES
      if (beyond <= 0) return { delayMs: 0, release: () => {} }
      if (held >= MOST_HELD || network.held >= MOST_HELD_OF_ONE) return 'cut'
      held++
      network.held++
      let released = false
      return {
        delayMs: Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (beyond - 1)),
        release() {
          if (released) return
          released = true
          held--
          network.held--
        },
      }
    },
    get networks() {
      return known.size
    },
    get held() {
      return held
    },
  }
}
