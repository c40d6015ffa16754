import { findProgram, type DebianProgram } from '../../bench/debian-packages.js'

export { install, installCommand } from '../../bench/debian-packages.js'

/** A program that some tests start, and the Debian package that has it. */
export interface NeededProgram extends DebianProgram {
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
  { programs: ['wrk'], debianPackage: 'wrk', usedBy: /\blocateWrk\b/ },
  {
    programs: ['chromium', 'chromium-headless-shell'],
    debianPackage: 'chromium',
    usedBy: /\bstartChromium\b/,
  },
  { programs: ['python3'], debianPackage: 'python3', usedBy: /\bstartNodeAgent\b/ },
  { programs: ['haproxy'], debianPackage: 'haproxy', usedBy: /\bstartHaproxy\b/ },
]

/** Whether one of the programs is on the PATH. */
export async function isInstalled(program: NeededProgram): Promise<boolean> {
  return (await findProgram(program)) !== null
}
