import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UsageError } from './command.js'

/**
 * Whether a file can be written in the end of a run that takes its time; found out before.
 * @throws UsageError when it cannot
 */
export async function checkOutFile(path: string): Promise<void> {
  const problem = await problemOf(path)
  if (problem !== null) throw new UsageError(`--out ${path}: ${problem}`)
}

async function problemOf(path: string): Promise<string | null> {
  const folder = dirname(path)
  const mayWrite = async (what: string): Promise<boolean> =>
    access(what, constants.W_OK).then(
      () => true,
      () => false,
    )
  const isFolder = async (what: string): Promise<boolean | null> =>
    stat(what).then(
      (found) => found.isDirectory(),
      () => null,
    )
  if ((await isFolder(folder)) !== true) return `there is no folder ${folder}; make it, or name another file`
  if (!(await mayWrite(folder))) return `the folder ${folder} cannot be written to; name another file`
  switch (await isFolder(path)) {
    case true:
      return 'it is a folder; name a file'
    case false:
      return (await mayWrite(path)) ? null : 'the file cannot be overwritten; name another one'
    case null:
      return null
  }
}
