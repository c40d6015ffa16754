import { accessSync, constants, statSync } from 'node:fs'
import { resolve } from 'node:path'

/** Where a shell looks when it is told nothing. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * The file that is run when a program is called by its name; null when there is none that may be.
 * @param path of the environment: folders, separated by colons
 * @param cwd where it will be run
 */
export function programPath(program: string, path = DEFAULT_PATH, cwd = '/'): string | null {
  const files = program.includes('/')
    ? [resolve(cwd, program)]
    : path.split(':').map((folder) => resolve(cwd, folder, program))
  return files.find(isProgram) ?? null
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
