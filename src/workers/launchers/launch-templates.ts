import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type LaunchTemplate, parseLaunchTemplate } from '../../core/launch-template.js'
import { LaunchTemplateError } from '../../core/template-text.js'
import { packageRoot } from '../../io/package-root.js'

/** Those that the package brings: they are read where they lie, since the compiler copies only TypeScript. */
const SHIPPED = join(packageRoot, 'src', 'workers', 'launchers', 'templates')

/**
 * The launch templates by engine: those that the package brings, and those of an operator's folder, which replace them.
 * @param ownFolder its `*.yaml` files are templates; null: there is none
 * @throws LaunchTemplateError for a folder or file that cannot be read, a bad template, and an engine that has two
 */
export async function readLaunchTemplates(ownFolder: string | null): Promise<Map<string, LaunchTemplate>> {
  const shipped = await readFolder(SHIPPED)
  return ownFolder === null ? shipped : new Map([...shipped, ...(await readFolder(ownFolder))])
}

async function readFolder(folder: string): Promise<Map<string, LaunchTemplate>> {
  const templates = new Map<string, LaunchTemplate>()
  const files = (await readable(folder, readdir(folder))).filter((name) => /\.ya?ml$/.test(name)).sort()
  for (const name of files) {
    const file = join(folder, name)
    const template = parseLaunchTemplate(file, await readable(file, readFile(file, 'utf8')))
    const other = templates.get(template.engine)
    if (other !== undefined) {
      throw new LaunchTemplateError(
        `${file}: engine: ${other.file} is a template of '${template.engine}' too`,
      )
    }
    templates.set(template.engine, template)
  }
  return templates
}

async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read'
    throw new LaunchTemplateError(`${path}: ${reason}`, { cause: error })
  }
}
