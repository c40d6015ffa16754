import { readCpuTimes, type CpuTimes } from '../../cpu-time.js'
import { descendants } from '../../proc-stat.js'
import type { Address } from '../load/generator.js'
import type { PlannedRequest } from '../load/messages.js'
import { createAccount, type Account } from '../account.js'

/** The group whose CPU is the figure; all other groups are shown beside it. */
export const PROXY_GROUP = 'proxy'

/** What every proxy forwards to. */
export interface Backends {
  readonly model: string
  /** `http://host:port` of each node. */
  readonly nodeUrls: readonly string[]
}

/** Something that requests are sent to: a proxy before the simulated nodes, or a node itself. */
export interface Contender extends Address {
  readonly name: string
  /** What it is and how it is set up, for the reader. */
  readonly description: string
  readonly headers: Readonly<Record<string, string>>
  /** The model's name, as this contender wants it. */
  readonly model: string
  /** `rewritten`: it makes the frames of a stream anew, so that they cannot be counted one by one. */
  readonly frames: PlannedRequest['frames']
  /** The process that all others descend from. */
  readonly pid: number
  /** Group of a process by its title: {@link PROXY_GROUP}, or one that is shown beside it. */
  readonly groupOf: (title: string) => string
  /** Length of the load before its first counted run: an interpreter has compiled what it needs by then. */
  readonly warmUpSeconds: number
  /** What it deferred (records to a store) is done after this time, in ms. */
  readonly settleMs: number
  /** What was received through it so far. */
  readonly account: Account
}

/** A contender with its processes, which end on disposal. */
export type RunningContender = Contender & AsyncDisposable

/** What all contenders have in common; a description gives the rest. */
export function contenderOf(
  parts: Pick<Contender, 'name' | 'description' | 'host' | 'port' | 'pid' | 'model'> & Partial<Contender>,
): Contender {
  return {
    headers: {},
    frames: 'forwarded',
    groupOf: () => PROXY_GROUP,
    warmUpSeconds: 1,
    settleMs: 0,
    account: createAccount(),
    ...parts,
  }
}

/** CPU time of a contender's processes so far, by group. */
export function cpuTimesOf({ pid, groupOf }: Contender): CpuTimes {
  return readCpuTimes(pid, groupOf)
}

/** The processes that are the proxy. */
export function proxyPids({ pid, groupOf }: Contender): number[] {
  return descendants(pid)
    .filter(({ title }) => groupOf(title) === PROXY_GROUP)
    .map((one) => one.pid)
}
