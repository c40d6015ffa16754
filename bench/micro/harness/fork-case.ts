import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { MicroBench, MicroCase } from './bench.js'
import { MicroResult } from './result.js'

const MODULE = fileURLToPath(new URL('./case-process.js', import.meta.url))
/** The last is the proxy's own (src/io/managed-child.ts): what survives is allocated as it is there. */
const NODE_FLAGS = ['--expose-gc', '--enable-source-maps', '--no-allocation-site-pretenuring']

/**
 * Measures a case in a process of its own, so that no other case has had the compiler make up its mind.
 * @throws when the process ends without a result, or the signal's reason
 */
export async function forkCase(
  bench: MicroBench,
  subject: MicroCase,
  forMs: number,
  signal: AbortSignal,
): Promise<MicroResult> {
  signal.throwIfAborted()
  // In its own process group: a Ctrl-C reaches the parent alone, which then closes the channel.
  const child = fork(MODULE, [bench.name, subject.name, String(forMs)], {
    detached: true,
    execArgv: NODE_FLAGS,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const lost = exited.then((): never => {
    throw new Error(`${bench.name}, ${subject.name}: its process ended without a result`)
  })
  lost.catch(() => {})
  try {
    const values: unknown[] = await Promise.race([once(child, 'message', { signal }), lost])
    return MicroResult.parse(values[0])
  } finally {
    if (child.connected) child.disconnect()
    await exited
  }
}
