import { diffOf, NO_CHANGES, type SectionDiff } from '../../core/config-diff.js'
import { pathText } from '../../core/contract/validate.js'
import { GatewayError } from '../../core/errors.js'
import type { Stored } from './config-state.js'

/** A list of the document, on its way into the database. */
export interface Section<Entry, Row extends object> {
  /** What the list is called in the document: `instance_types`. */
  readonly name: string
  /** Undefined where the document has no such list. */
  readonly entries: readonly Entry[] | undefined
  /** The field that a name which stands twice is blamed on. */
  readonly nameField: string
  readonly nameOf: (entry: Entry) => string
  readonly stored: ReadonlyMap<string, Stored<Row>>
  readonly prune: boolean
  /** The row that an entry asks for, in the document's form; throws what is wrong with the entry. */
  readonly wantedOf: (entry: Entry, stored: Stored<Row> | undefined, index: number) => Row | Promise<Row>
}

/** A row that is to be written. */
export interface Write<Entry, Row> {
  readonly entry: Entry
  readonly index: number
  readonly row: Row
  /** What it replaces; undefined: it is new. */
  readonly stored: Stored<Row> | undefined
}

export interface Plan<Entry, Row> {
  readonly diff: SectionDiff
  readonly writes: readonly Write<Entry, Row>[]
  readonly removals: readonly Stored<Row>[]
}

/**
 * What has to be done so that the stored rows are what a list asks for.
 * @throws GatewayError invalid_parameter for a row that stands twice, and what `wantedOf` throws
 */
export async function planOf<Entry, Row extends object>(
  section: Section<Entry, Row>,
): Promise<Plan<Entry, Row>> {
  const { entries, stored, nameOf } = section
  if (entries === undefined) return { diff: NO_CHANGES, writes: [], removals: [] }
  const wanted = new Map<string, Write<Entry, Row>>()
  for (const [index, entry] of entries.entries()) {
    await placed(section.name, index, async () => {
      const name = nameOf(entry)
      if (wanted.has(name)) {
        const message = `'${name}' stands twice in ${section.name}.`
        throw new GatewayError('invalid_parameter', { param: section.nameField, message })
      }
      const before = stored.get(name)
      const row = await section.wantedOf(entry, before, index)
      wanted.set(name, { entry, index, row, stored: before })
    })
  }
  const diff = diffOf(rowsOf(stored), rowsOf(wanted), section.prune)
  const changed = [...diff.created, ...diff.updated]
  return {
    diff,
    writes: changed.flatMap(({ name }) => wanted.get(name) ?? []),
    removals: diff.deleted.flatMap(({ name }) => stored.get(name) ?? []),
  }
}

function rowsOf<Row>(places: ReadonlyMap<string, { readonly row: Row }>): Map<string, Row> {
  return new Map([...places].map(([name, { row }]) => [name, row]))
}

/** Does some work for an entry of a list; what that refuses is named by its place in the document. */
export async function placed<T>(section: string, index: number, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || thrown.param === null) throw thrown
    const place = pathText([section, index])
    const param = thrown.param.startsWith(place) ? thrown.param : `${place}.${thrown.param}`
    throw new GatewayError(thrown.code, { param, message: thrown.message, cause: thrown.cause })
  }
}
