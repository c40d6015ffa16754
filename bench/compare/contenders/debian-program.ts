import { findProgram, install, installCommand, type DebianProgram } from '../../debian-packages.js'

/** What the gateway shares keys and limits with; without it there is one proxy process at most. */
export const REDIS: DebianProgram = {
  programs: ['redis-server', 'valkey-server'],
  debianPackage: 'redis-server',
}

/**
 * Path of a program, which is installed with apt-get where it is missing and may be.
 * @throws when it can neither be found nor installed, with the command that installs it
 */
export async function locateDebianProgram(program: DebianProgram): Promise<string> {
  const found = await findProgram(program)
  if (found !== null) return found
  const problem = await install(program)
  const installed = await findProgram(program)
  if (installed !== null) return installed
  throw new Error(
    `${program.programs.join(' or ')} is missing (${problem ?? 'not in the package'}); ` +
      `try: ${installCommand(program)}`,
  )
}
