import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'

/** A random password of URL-safe characters. */
export function randomPassword(): string {
  return randomBytes(24).toString('base64url')
}

/** The password kept in a file; null when there is none yet. */
export async function readPassword(path: string): Promise<string | null> {
  try {
    const password = (await readFile(path, 'utf8')).trim()
    return password === '' ? null : password
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Makes a password and keeps it in a file that only this user can read. */
export async function writePassword(path: string): Promise<string> {
  const password = randomPassword()
  await writeFile(`${path}.new`, `${password}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return password
}
