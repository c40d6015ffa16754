import type { Contender } from './contenders/contender.js'
import type { GatewayContender } from './contenders/gateway-contender.js'
import type { LoadGenerator } from './load/generator.js'
import { watchForeignLoad } from './foreign-load.js'
import type { Row } from './row.js'
import { LoadFailed } from './session.js'

/** A machine that others use by more than this share is told of: its figures are not to be trusted. */
const NOTED_FOREIGN_LOAD = 0.05

/** What all scenarios run on. */
export interface Bench {
  /** Rounds of a scenario: in each, every contender has its turn. */
  readonly pairs: number
  /** Length of a run. */
  readonly seconds: number
  readonly nodeUrls: readonly string[]
  /** A node itself. */
  readonly direct: Contender
  readonly peers: readonly Contender[]
  readonly gateway: GatewayContender
  readonly load: LoadGenerator
  /** A second generator, so that what it times does not wait for the first one's work. */
  readonly probe: LoadGenerator
  /** Says something about the scenario that runs. */
  note(line: string): void
}

/** Something that is measured, for all contenders or for the gateway alone. */
export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string
  /** What is done, for the reader. */
  readonly title: string
  /** It is about no peer, and runs only when it is asked for: all others together take ten minutes. */
  readonly onDemand?: true
  /** @throws when the gateway, or a node, did not do as it should: the bench has failed */
  readonly run: (bench: Bench) => Promise<readonly Row[]>
}

/** The peers, then the gateway: the order of a round. */
export function proxiesOf({ peers, gateway }: Bench): readonly Contender[] {
  return [...peers, gateway]
}

export function nginxOf({ peers }: Bench): Contender | undefined {
  return peers.find(({ name }) => name === 'nginx')
}

/**
 * Runs for each contender in turn: A B C A B C. A peer that fails is noted and has no further part.
 * @returns the results of each contender by its name, one for each round; those that failed are missing
 * @throws what a run through the gateway, or to a node itself, threw
 */
export async function inTurn<T>(
  bench: Pick<Bench, 'peers' | 'note'>,
  contenders: readonly Contender[],
  rounds: number,
  run: (contender: Contender, round: number) => Promise<T>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const results = new Map<string, T[]>(contenders.map(({ name }) => [name, []]))
  const foreign: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) {
      const own = results.get(contender.name)
      if (own === undefined) continue
      const foreignLoad = watchForeignLoad()
      try {
        own.push(await run(contender, round))
        foreign.push(foreignLoad())
      } catch (error) {
        if (!(error instanceof LoadFailed && bench.peers.includes(contender))) throw error
        results.delete(contender.name)
        bench.note(`${contender.name} FAILED: ${error.message}`)
      }
    }
  }
  const most = Math.max(0, ...foreign)
  if (most > NOTED_FOREIGN_LOAD) {
    bench.note(`NOISY: others used up to ${Math.round(most * 100)}% of the machine in one of these runs`)
  }
  return results
}
