import type { Contender } from './contenders/contender.js'
import type { Load, LoadGenerator } from './load/generator.js'
import type { LoadResult } from './load/messages.js'

/** A load went wrong: the run is void. */
export class LoadFailed extends Error {
  override readonly name = 'LoadFailed'
}

/** Connections to a contender. What is received is entered into its account. */
export interface Session extends AsyncDisposable {
  /** @throws LoadFailed when a reply was not as it should be */
  run(load: Load): Promise<LoadResult>
  /** As `run`, but failures are left to the caller. */
  attempt(load: Load): Promise<LoadResult>
}

/** Opens connections to a contender. @throws LoadFailed when it does not take them */
export async function connectTo(
  generator: LoadGenerator,
  contender: Contender,
  connections: number,
): Promise<Session> {
  const opened = await generator.open(contender, connections).catch((error: unknown) => {
    throw new LoadFailed(`${contender.name} does not take ${connections} connections`, { cause: error })
  })
  const attempt = async (load: Load): Promise<LoadResult> => {
    const result = await opened.run(load)
    contender.account.add(result)
    return result
  }
  return {
    attempt,
    async run(load) {
      const result = await attempt(load)
      if (result.failed === 0) return result
      throw new LoadFailed(
        `through ${contender.name} ${result.failed} of ${result.failed + result.completed} failed: ` +
          result.reasons.join('; '),
      )
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}
