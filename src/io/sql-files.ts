import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './package-root.js'

/**
 * A reader of the query files in one folder under sql/; each file is read once, when it is first asked for.
 * @param folder relative to the package's root
 */
export function sqlFiles(folder: string): (name: string) => string {
  const known = new Map<string, string>()
  return (name) => {
    const cached = known.get(name)
    if (cached !== undefined) return cached
    if (!/^[a-z0-9]+([-/][a-z0-9]+)*$/.test(name)) throw new Error(`not the name of a query: ${name}`)
    const text = readFileSync(join(packageRoot, folder, `${name}.sql`), 'utf8')
    known.set(name, text)
    return text
  }
}
