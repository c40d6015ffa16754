import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { packageRoot } from '../../src/io/package-root.js'
import type { LoadReport } from './load-report.js'

const run = promisify(execFile)
const Package = z.object({ version: z.string() })

/** On what a run was made. */
export async function readEnvironment(): Promise<LoadReport['environment']> {
  const processors = cpus()
  return {
    version: Package.parse(JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'))).version,
    commit: await readCommit(),
    node: process.version,
    os: `${type()} ${release()}`,
    processor: processors[0]?.model.trim() ?? 'unknown',
    processors: processors.length,
    memoryBytes: totalmem(),
  }
}

/** Null outside a checkout, or without git. */
async function readCommit(): Promise<string | null> {
  const git = (...args: string[]) =>
    run('git', ['-C', packageRoot, ...args]).then(({ stdout }) => stdout.trim())
  try {
    const commit = await git('rev-parse', 'HEAD')
    return (await git('status', '--porcelain')) === '' ? commit : `${commit}-dirty`
  } catch {
    return null
  }
}
