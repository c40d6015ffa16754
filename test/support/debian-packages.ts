import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program that some tests start, and the Debian package that has it. */
export interface NeededProgram {
  readonly programs: readonly string[]
  readonly debianPackage: string
  /** Matches the source of the test files that need it. */
  readonly usedBy: RegExp
}

export const NEEDED_PROGRAMS: readonly NeededProgram[] = [
  {
    programs: ['redis-server', 'valkey-server'],
    debianPackage: 'redis-server',
    usedBy: /\b(freshRedis|startStores|startEmbeddedRedis|redis-server)\b/,
  },
  { programs: ['nginx'], debianPackage: 'nginx-light', usedBy: /\bstartNginx\b/ },
]

/** Whether one of the programs is on the PATH. */
export async function isInstalled({ programs }: NeededProgram): Promise<boolean> {
  // Debian keeps servers where the PATH of an ordinary user does not lead.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  for (const folder of folders) {
    for (const program of programs) {
      const found = await access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      )
      if (found) return true
    }
  }
  return false
}

/** The command that installs a package. */
export function installCommand({ debianPackage }: NeededProgram): string {
  return `apt-get install -y ${debianPackage}`
}

/**
 * Installs a package where this process may.
 * @returns why it could not; null when it is installed
 */
export async function install(program: NeededProgram): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root can install packages'
  // The service that the package would start is not wanted: tests start their own.
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
