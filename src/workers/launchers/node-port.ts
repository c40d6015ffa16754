import { freePort } from '../../io/embedded/free-port.js'
import { reservePort } from '../../io/reserve-port.js'

/** Where nodes of this machine listen. */
export const HOST = '127.0.0.1'

const ATTEMPTS = 20

/**
 * A port for a node.
 * @param preferred the one that it had while it served, which routes know: taken when it is free; null: any
 * @param isTaken whether another node has a port or is about to take it
 * @throws when there is none
 */
export async function choosePort(
  preferred: number | null,
  isTaken: (port: number) => boolean,
): Promise<number> {
  if (preferred !== null && (await isFree(preferred))) return preferred
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const free = await freePort()
    if (!isTaken(free)) return free
  }
  throw new Error('this machine has no free port')
}

async function isFree(port: number): Promise<boolean> {
  return reservePort('port of a node', HOST, port).then(
    () => true,
    () => false,
  )
}
