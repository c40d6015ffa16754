import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from './start-error.js'

/**
 * The root admin token kept in `DATA_DIR/admin-token`: made at the first start (256 random bits), readable by its
 * owner alone.
 * @throws StartError when the file is there but holds no token
 */
export async function keptAdminToken(dataDir: string): Promise<string> {
  const path = join(dataDir, 'admin-token')
  try {
    const token = (await readFile(path, 'utf8')).trim()
    if (/^[\x21-\x7e]+$/.test(token)) return token
    throw new StartError(`${path} holds no token: delete it to have a new one made, or set ADMIN_TOKEN`)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  const token = randomBytes(32).toString('base64url')
  // Renamed into place, so that a crash leaves no empty file behind.
  await writeFile(`${path}.new`, `${token}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return token
}
