import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program that tests or the bench start, and the Debian package that has it. */
export interface DebianProgram {
  readonly programs: readonly string[]
  readonly debianPackage: string
}

/** Absolute path of the first of the programs that is there; null when none is. */
export async function findProgram({ programs }: DebianProgram): Promise<string | null> {
  // Debian keeps servers where the PATH of an ordinary user does not lead.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  for (const folder of folders) {
    for (const program of programs) {
      const path = join(folder, program)
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (found) return path
    }
  }
  return null
}

/** The command that installs a package. */
export function installCommand({ debianPackage }: DebianProgram): string {
  return `apt-get install -y ${debianPackage}`
}

/**
 * Installs a package where this process may.
 * @returns why it could not; null when it is installed
 */
export async function install(program: DebianProgram): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root can install packages'
  // The service that the package would start is not wanted: who needs the program starts it.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const aptGet = (...args: string[]) => run('apt-get', args, { env, maxBuffer: 64 * 1024 * 1024 })
  const installPackage = () => aptGet('install', '-y', '--no-install-recommends', program.debianPackage)
  try {
    // Fresh images have no package lists; where there are some, they often do.
    await installPackage().catch(async () => {
      await aptGet('update')
      await installPackage()
    })
    return null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return 'there is no apt-get here'
    if (error instanceof Error && 'stderr' in error && 'stdout' in error) {
      return `apt-get failed:\n${String(error.stdout)}\n${String(error.stderr)}`
    }
    return String(error)
  }
}
