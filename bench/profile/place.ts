import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { CallFrame } from './call-tree.js'

/** Where a function's source is. */
export interface Place {
  /** `src/proxy`, `node internals`, the name of a package, `native`. */
  readonly folder: string
  /** `src/proxy/exchange.ts`; the folder again for what has no file of interest. */
  readonly file: string
  /** From 1; null: unknown. */
  readonly line: number | null
}

/** Finds the places of functions. */
export type Locate = (frame: CallFrame) => Place

const NATIVE: Place = { folder: 'native', file: 'native', line: null }

/**
 * Places in a package whose compiled files lie in `<root>/dist` beside their source maps: TypeScript's files and lines
 * where there is a map, else those that run.
 */
export function createLocate(root: string): Locate {
  const maps = new Map<string, SourceMap | null>()
  const mapOf = (path: string): SourceMap | null => {
    let map = maps.get(path)
    if (map === undefined) {
      map = readMap(path)
      maps.set(path, map)
    }
    return map
  }
  return ({ url, lineNumber, columnNumber }) => {
    if (url === '') return NATIVE
    if (!url.startsWith('file:')) {
      return { folder: 'node internals', file: url, line: lineNumber + 1 }
    }
    const path = fileURLToPath(url)
    const entry = mapOf(path)?.findEntry(lineNumber, columnNumber)
    const source =
      entry !== undefined && 'originalSource' in entry
        ? { path: resolve(dirname(path), entry.originalSource), line: entry.originalLine + 1 }
        : { path, line: lineNumber + 1 }
    const file = relative(root, source.path)
      .split(sep)
      .join('/')
      .replace(/^.*\bnode_modules\//, 'node_modules/')
    return { folder: folderOf(file), file, line: source.line }
  }
}

function folderOf(file: string): string {
  const inPackage = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]
  if (inPackage !== undefined) return inPackage
  const [first = '', second] = dirname(file).split('/')
  return second === undefined ? first : `${first}/${second}`
}

const Payload = z.object({
  file: z.string(),
  version: z.number(),
  sources: z.array(z.string()),
  sourcesContent: z.array(z.string()).default([]),
  names: z.array(z.string()),
  mappings: z.string(),
  sourceRoot: z.string().default(''),
})

/** The map beside a compiled file; null when there is none to be read. */
function readMap(path: string): SourceMap | null {
  let text: string
  try {
    text = readFileSync(`${path}.map`, 'utf8')
  } catch {
    return null
  }
  const payload = Payload.safeParse(JSON.parse(text)).data
  return payload === undefined ? null : new SourceMap(payload)
}
