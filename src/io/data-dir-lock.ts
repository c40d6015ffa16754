import { once } from 'node:events'
import { stat, unlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { StartError } from './start-error.js'
import { takesConnections } from './takes-connections.js'

/** EX_TEMPFAIL of sysexits.h: the same start may succeed later. */
export const EXIT_LOCKED = 75

export interface DataDirLock extends AsyncDisposable {
  readonly release: () => Promise<void>
}

/**
 * Locks a data directory for one supervisor. The lock is a listening socket in Linux's abstract namespace, named by
 * the directory's device and inode: taking it is atomic, the kernel drops it with the process however that ends (a
 * lock file outlives `kill -9`, and its process id may meanwhile be someone else's), and another path to the same
 * directory finds the same name. It does not reach across network namespaces: two containers must not share one
 * directory. Whoever connects is told the owner's process id.
 * @throws StartError with exit code 75 when another process holds it
 */
export async function lockDataDir(dataDir: string, platform = process.platform): Promise<DataDirLock> {
  const address = platform === 'linux' ? await abstractName(dataDir) : await socketFile(dataDir)
  return lockAddress(address, `DATA_DIR ${dataDir} is in use by another gateway`)
}

/**
 * Locks a name for one process of this machine, in the same way; on Linux alone.
 * @param taken says in an error that another process has it
 * @throws StartError with exit code 75 when another process holds it
 */
export async function lockName(name: string, taken: string): Promise<DataDirLock> {
  return lockAddress(`\0crosslogic-gateway:${name}`, taken)
}

async function lockAddress(address: string, taken: string): Promise<DataDirLock> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${process.pid}\n`)
  })
  server.listen(address)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    const owner = await ownerOf(address)
    throw new StartError(`${taken}${owner === null ? '' : ` (process ${owner})`}`, EXIT_LOCKED)
  }
  // The lock alone keeps nobody alive.
  server.unref()
  const release = async () => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  return { release, [Symbol.asyncDispose]: release }
}

async function abstractName(dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true })
  return `\0crosslogic-gateway:${dev}:${ino}`
}

/** Where there is no abstract namespace: a socket file, which stays behind after a kill and is then removed. */
async function socketFile(dataDir: string): Promise<string> {
  const path = join(dataDir, 'supervisor.sock')
  if (!(await takesConnections({ path }))) await unlink(path).catch(() => {})
  return path
}

/** The process id that the lock's owner tells; null when nobody answers. */
async function ownerOf(address: string): Promise<string | null> {
  const socket = connect(address).setTimeout(1_000, () => {
    socket.destroy(new Error('no answer'))
  })
  try {
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    return /^\d+/.exec(text)?.[0] ?? null
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}
