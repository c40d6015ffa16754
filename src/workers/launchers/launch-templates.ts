import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type LaunchTemplate, parseLaunchTemplate } from '../../core/launch-template.js'
import { LaunchTemplateError } from '../../core/template-text.js'
import { packageRoot } from '../../io/package-root.js'
import type { TemplateFile } from '../worker-settings.js'

/** Those that the package brings: they are read where they lie, since the compiler copies only TypeScript. */
const SHIPPED = join(packageRoot, 'src', 'workers', 'launchers', 'templates')

/**
 * The launch templates by engine: those that the package brings, and those of an operator's folder, which replace them.
 * @param ownFolder its `*.yaml` files are templates; null: there is none
 * @throws LaunchTemplateError for a folder or file that cannot be read, a bad template, and an engine that has two
 */
export async function readLaunchTemplates(ownFolder: string | null): Promise<Map<string, LaunchTemplate>> {
  return parseLaunchTemplates(await readTemplateFiles(ownFolder))
}

/**
 * The texts of all launch templates, the package's first. Threads are given these: a file that is changed while the
 * gateway runs counts when it starts anew.
 * @throws LaunchTemplateError for a folder or file that cannot be read
 */
export async function readTemplateFiles(ownFolder: string | null): Promise<TemplateFile[]> {
  const shipped = await readFolder(SHIPPED, 'package')
  return ownFolder === null ? shipped : [...shipped, ...(await readFolder(ownFolder, 'operator'))]
}

/** @throws LaunchTemplateError for a bad template, and an engine that has two from one folder */
export function parseLaunchTemplates(files: readonly TemplateFile[]): Map<string, LaunchTemplate> {
  const templates = new Map<string, LaunchTemplate>()
  const own = new Map<string, LaunchTemplate>()
  for (const { file, text, from } of files) {
    const template = parseLaunchTemplate(file, text)
    const other = own.get(template.engine)
    if (other !== undefined) {
      throw new LaunchTemplateError(
        `${file}: engine: ${other.file} is a template of '${template.engine}' too`,
      )
    }
    if (from === 'operator') own.set(template.engine, template)
    templates.set(template.engine, template)
  }
  return templates
}

async function readFolder(folder: string, from: TemplateFile['from']): Promise<TemplateFile[]> {
  const names = (await readable(folder, readdir(folder))).filter((name) => /\.ya?ml$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const file = join(folder, name)
      return { file, from, text: await readable(file, readFile(file, 'utf8')) }
    }),
  )
}

async function readable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be read'
    throw new LaunchTemplateError(`${path}: ${reason}`, { cause: error })
  }
}
