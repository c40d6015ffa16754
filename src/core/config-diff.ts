/** What an import of the configuration document does to one kind of row. */

export interface FieldChange {
  readonly before: unknown
  readonly after: unknown
}

export interface RowChange {
  readonly name: string
  /** Those that differ; of a row that is new `before` is null everywhere, of one that goes `after` is. */
  readonly fields: Readonly<Record<string, FieldChange>>
}

export interface SectionDiff {
  readonly created: RowChange[]
  readonly updated: RowChange[]
  readonly unchanged: string[]
  readonly deleted: RowChange[]
}

export const NO_CHANGES: SectionDiff = { created: [], updated: [], unchanged: [], deleted: [] }

/** A row as the document shows it, by its name there. */
export type Rows<T extends object> = ReadonlyMap<string, T>

/**
 * What turns the stored rows into the wanted ones. Rows that are not wanted stay, or go where `prune` is set. Everything
 * comes in the order of the names.
 */
export function diffOf<T extends object>(stored: Rows<T>, wanted: Rows<T>, prune: boolean): SectionDiff {
  const created: RowChange[] = []
  const updated: RowChange[] = []
  const unchanged: string[] = []
  for (const name of [...wanted.keys()].sort()) {
    const before = stored.get(name)
    const fields = changedFields(before ?? null, wanted.get(name) ?? null)
    if (before === undefined) created.push({ name, fields })
    else if (Object.keys(fields).length > 0) updated.push({ name, fields })
    else unchanged.push(name)
  }
  const absent = prune ? [...stored.keys()].filter((name) => !wanted.has(name)).sort() : []
  const deleted = absent.map((name) => ({ name, fields: changedFields(stored.get(name) ?? null, null) }))
  return { created, updated, unchanged, deleted }
}

/** The fields in which two rows differ, as JSON. */
function changedFields(before: object | null, after: object | null): Record<string, FieldChange> {
  const was = new Map<string, unknown>(Object.entries(before ?? {}))
  const is = new Map<string, unknown>(Object.entries(after ?? {}))
  const changes: [string, FieldChange][] = []
  for (const name of new Set([...was.keys(), ...is.keys()])) {
    const change = { before: was.get(name) ?? null, after: is.get(name) ?? null }
    if (before === null || after === null || !sameJson(change.before, change.after)) {
      changes.push([name, change])
    }
  }
  return Object.fromEntries(changes)
}

/** Whether two values are the same JSON, in whatever order their objects have their fields. */
export function sameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(inOrder(one)) === JSON.stringify(inOrder(other))
}

/** The same JSON with the fields of every object in the order of their names. */
export function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, field]) => [name, inOrder(field)] as const)
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)))
}
