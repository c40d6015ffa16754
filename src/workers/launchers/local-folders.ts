import { lockName } from '../../io/data-dir-lock.js'
import { rootsOfMarked } from './local-marks.js'
import { type LocalProcesses, type LocalProcessesOptions, openLocalProcesses } from './local-processes.js'

export interface LocalFoldersOptions extends LocalProcessesOptions {
  /** The id of the installation whose nodes these are. */
  readonly installation: string
}

/**
 * All nodes of an installation on this machine. Each of its control processes has a folder of its own; the one that leads
 * manages the nodes in the folders of the others as well, which are found by the processes that run from there.
 */
export interface LocalFolders extends AsyncDisposable {
  /** Where new nodes go. */
  readonly own: LocalProcesses
  /**
   * Which folder each of the nodes is in; those that have no process are not in the answer.
   * @throws StartError while another process has one of the folders
   */
  holders(clusterNames: readonly string[]): Promise<ReadonlyMap<string, LocalProcesses>>
  /** Every folder in which there is anything of a node, if only its logs. @throws likewise */
  traces(clusterName: string): Promise<LocalProcesses[]>
  /** Names of all nodes of which there is anything. @throws likewise */
  names(): Promise<string[]>
}

/**
 * Opens the nodes of an installation on this machine.
 * @throws StartError when another process of this machine has them: one that leads no longer, or not yet
 */
export async function openLocalFolders(options: LocalFoldersOptions): Promise<LocalFolders> {
  const { installation } = options
  const lock = await lockName(
    `nodes:${installation}`,
    'the nodes of this machine are in the hands of another process of the gateway',
  )
  const byRoot = new Map<string, LocalProcesses>()

  async function open(folder: string): Promise<LocalProcesses> {
    const known = byRoot.get(folder)
    if (known !== undefined) return known
    const opened = await openLocalProcesses({ ...options, folder })
    byRoot.set(opened.root, opened)
    return opened
  }

  /** The living ones by name, their folders open. */
  async function living(): Promise<Map<string, LocalProcesses>> {
    const found = new Map<string, LocalProcesses>()
    for (const [name, root] of rootsOfMarked(installation)) found.set(name, await open(root))
    return found
  }

  let own: LocalProcesses
  try {
    own = await open(options.folder)
  } catch (error) {
    await lock.release()
    throw error
  }
  return {
    own,
    async holders(clusterNames) {
      const holders = new Map<string, LocalProcesses>()
      for (const name of clusterNames) {
        const keeper = [...byRoot.values()].find((processes) => processes.state(name) !== null)
        if (keeper !== undefined) holders.set(name, keeper)
      }
      const others = clusterNames.filter((name) => !holders.has(name))
      if (others.length === 0) return holders
      const alive = await living()
      for (const name of others) {
        // A record tells what was: one that lives may have moved to another folder since.
        const holder =
          alive.get(name) ?? [...byRoot.values()].find((processes) => processes.wanted(name) !== null)
        if (holder !== undefined) holders.set(name, holder)
      }
      return holders
    },
    async traces(clusterName) {
      const alive = (await living()).get(clusterName)
      const found: LocalProcesses[] = []
      for (const processes of byRoot.values()) {
        const known = processes === alive || processes.state(clusterName) !== null
        if (known || (await processes.folders()).includes(clusterName)) found.push(processes)
      }
      return found
    },
    async names() {
      const names = new Set((await living()).keys())
      for (const processes of byRoot.values()) {
        for (const name of await processes.folders()) names.add(name)
      }
      return [...names]
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...byRoot.values()].map((processes) => processes[Symbol.asyncDispose]()))
      await lock.release()
    },
  }
}
