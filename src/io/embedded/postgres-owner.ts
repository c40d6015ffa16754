import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A user of the system that Postgres runs as. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Postgres refuses to run as root, so for root this is the system user `postgres`, made when it is missing.
 * @returns undefined when this process is not root: then Postgres runs as this process's own user
 * @throws when the user can neither be found nor made
 */
export async function postgresOwner(): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const known = await lookUp('postgres')
  if (known) return known
  await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']).catch(
    (error: unknown) => {
      throw new Error(
        'Postgres cannot run as root, and the user "postgres" could not be made; make it, or set DATABASE_URL',
        { cause: error },
      )
    },
  )
  const made = await lookUp('postgres')
  if (!made) throw new Error('the user "postgres" was made but cannot be found; set DATABASE_URL')
  return made
}

async function lookUp(name: string): Promise<Owner | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return null
  }
}

/** Whether a user can enter a folder, every folder above it included. Asks the kernel, as that user. */
export async function canEnter(owner: Owner | undefined, folder: string): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], { cwd: '/', ...owner })
    return true
  } catch {
    return false
  }
}
