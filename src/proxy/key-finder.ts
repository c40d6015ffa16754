import type { ResolvedKey } from '../core/resolved-key.js'

/** Keys that one statement asks for: it takes some milliseconds then. */
const MOST_AT_ONCE = 500
/** Statements under way at once. */
const MOST_STATEMENTS = 2
/** Between the begins of two statements at least: 200 a second at most, whoever asks for whatever. */
const APART_MS = 5

export interface KeyFinderOptions {
  /** Looks up many digests in one statement. @returns the keys that were found, by digest in hexadecimal */
  readonly findKeys: (digests: readonly Buffer[]) => Promise<ReadonlyMap<string, ResolvedKey>>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

interface Asked {
  readonly digest: Buffer
  readonly resolve: (key: ResolvedKey | null) => void
  readonly reject: (error: unknown) => void
}

/**
 * Looks keys up in bounded numbers of statements: one that comes alone at once, those that come meanwhile together. So a
 * flood of made-up keys costs the database little, and a good key among them waits for milliseconds instead of being
 * turned away (bench: resilience unknown-keys).
 */
export function createKeyFinder({
  findKeys,
  now,
}: KeyFinderOptions): (digest: Buffer) => Promise<ResolvedKey | null> {
  const asked: Asked[] = []
  let statements = 0
  let begunAt = -Infinity
  let timer: NodeJS.Timeout | null = null

  function run(): void {
    if (timer !== null || asked.length === 0 || statements >= MOST_STATEMENTS) return
    const waitMs = begunAt + APART_MS - now()
    if (waitMs <= 0) {
      void find(asked.splice(0, MOST_AT_ONCE))
      run()
      return
    }
    timer = setTimeout(() => {
      timer = null
      run()
    }, waitMs)
  }

  async function find(batch: readonly Asked[]): Promise<void> {
    begunAt = now()
    statements++
    try {
      const found = await findKeys(batch.map(({ digest }) => digest))
      for (const { digest, resolve } of batch) resolve(found.get(digest.toString('hex')) ?? null)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      statements--
      run()
    }
  }

  return (digest) =>
    new Promise((resolve, reject) => {
      asked.push({ digest, resolve, reject })
      run()
    })
}
