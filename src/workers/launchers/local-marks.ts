import { statSync } from 'node:fs'
import { basename, dirname, isAbsolute } from 'node:path'
import { processFacts, processTable } from '../../io/process-identity.js'
import { environmentOf, NODE_MARK } from './process-group.js'

/** The environment variable by which the processes of an installation's nodes are known: its id. */
export const INSTALLATION_MARK = 'CROSSLOGIC_INSTALLATION'

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/** Whether a text can be the name of a node, and of its folder. */
export function isNodeName(text: string): boolean {
  return NAME.test(text)
}

/**
 * The folders that the living nodes of an installation lie in, by the name of the node: wherever on this machine which
 * of its processes launched them. Of other users' processes nothing is believed.
 */
export function rootsOfMarked(installation: string): ReadonlyMap<string, string> {
  const roots = new Map<string, string>()
  const own = processFacts(process.pid)
  for (const { pid, session } of processTable()) {
    // The mark may have got into the gateway's own environment.
    if (session === own?.session) continue
    const environment = environmentOf(pid)
    if (!environment.includes(`${INSTALLATION_MARK}=${installation}`) || !isOwn(pid)) continue
    const mark = environment.find((variable) => variable.startsWith(`${NODE_MARK}=`))
    const folder = mark?.slice(NODE_MARK.length + 1) ?? ''
    if (isAbsolute(folder) && isNodeName(basename(folder))) roots.set(basename(folder), dirname(folder))
  }
  return roots
}

function isOwn(pid: number): boolean {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === process.getuid?.()
}
