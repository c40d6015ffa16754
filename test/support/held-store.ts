import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const Held = z.object({ url: z.string(), pid: z.number() })

export interface HeldStore extends z.infer<typeof Held> {
  /** The process that started the store, as the gateway's supervisor does; leader of its process group. */
  readonly holderPid: number
  /** Kills the holder with SIGKILL, and nothing else. */
  killHolder(): Promise<void>
}

/** Starts an embedded store in another process, which can then be killed. */
export async function holdStore(
  kind: 'postgres' | 'redis' | 'clickhouse',
  dataDir: string,
): Promise<HeldStore> {
  const program = fileURLToPath(new URL('store-holder.js', import.meta.url))
  const holder = spawn(process.execPath, [program, kind, dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: holder.stdout })
  const first = await Promise.race([
    once(lines, 'line').then(([line]: unknown[]) => String(line)),
    once(holder, 'exit').then(() => {
      throw new Error(`the holder of ${kind} ended`)
    }),
  ])
  return {
    ...Held.parse(JSON.parse(first)),
    holderPid: holder.pid ?? -1,
    async killHolder() {
      const gone = once(holder, 'exit')
      holder.kill('SIGKILL')
      await gone
    },
  }
}
