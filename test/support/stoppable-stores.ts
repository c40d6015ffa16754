import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { descendants, lives, signalKin, type Kin } from '../../bench/proc-stat.js'
import { holdStore } from './held-store.js'
import { allGone } from './gateway-process.js'
import type { Stores } from './stores.js'
import { temporaryFolder } from './temporary-folder.js'

export type StoreKind = 'postgres' | 'redis' | 'clickhouse'

/** A store of a test's own, which can be taken away. */
export interface StoppableStore extends AsyncDisposable {
  readonly url: string
  /** Stops it with its connections open: it takes what is sent and answers nothing. */
  hang(): void
  /** Kills it: connections break and are refused. */
  kill(): Promise<void>
  /** Ends either; a store that was killed starts anew, at the same address. */
  resume(): void
}

/** Starts one. The process that holds it would restart it at once, and is therefore stopped while it is away. */
async function startStoppable(kind: StoreKind, dataDir: string): Promise<StoppableStore> {
  const held = await holdStore(kind, dataDir)
  const family = () => descendants(held.holderPid)
  const store = () => family().filter(({ pid }) => pid !== held.holderPid)
  const signal = (kin: readonly Kin[], name: NodeJS.Signals) => {
    for (const one of kin) signalKin(one, name)
  }
  return {
    url: held.url,
    hang() {
      // The main process first, so that it starts no further one meanwhile.
      signal(family(), 'SIGSTOP')
      signal(family(), 'SIGSTOP')
    },
    async kill() {
      signal(
        family().filter(({ pid }) => pid === held.holderPid),
        'SIGSTOP',
      )
      const running = store()
      signal(running, 'SIGKILL')
      // Its processes stay as zombies of the stopped holder, or are gone.
      while (running.some(lives)) await sleep(5)
    },
    resume() {
      signal(family(), 'SIGCONT')
    },
    async [Symbol.asyncDispose]() {
      const all = family()
      signal(all, 'SIGKILL')
      signal(all, 'SIGCONT')
      await allGone(all)
    },
  }
}

export interface StoppableStores extends Stores {
  readonly postgres: StoppableStore
  readonly redis: StoppableStore
  readonly clickhouse: StoppableStore
}

/** One of each, none shared with another test. */
export async function startStoppableStores(): Promise<StoppableStores> {
  const folder = await temporaryFolder()
  const started: StoppableStore[] = []
  const close = async () => {
    for (const store of started) await store[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  }
  const start = async (kind: StoreKind) => {
    const store = await startStoppable(kind, join(folder.path, kind))
    started.push(store)
    return store
  }
  try {
    const postgres = await start('postgres')
    const redis = await start('redis')
    const clickhouse = await start('clickhouse')
    return {
      postgres,
      redis,
      clickhouse,
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      clickhouseUrl: clickhouse.url,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
