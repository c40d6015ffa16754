import type { Operation } from './operations.js'

/** Rows that replies showed, newest last, so that later requests can name them. */
export interface RowsSeen {
  /** Takes note of the rows in a reply of an operation. */
  note(operation: Operation, body: unknown): void
  /** A value for a parameter of a path out of a row seen there; undefined when there is none. */
  value(operation: Operation, name: string, index: number): string | undefined
}

const MOST_ROWS = 12

/** @param spared ids of rows that no request should name: the run needs them */
export function createRowsSeen(spared: ReadonlySet<string>): RowsSeen {
  const byCollection = new Map<string, Map<string, Record<string, unknown>>>()

  const noteRow = (collection: string, row: unknown) => {
    if (typeof row !== 'object' || row === null) return
    const fields = { ...row } as Record<string, unknown>
    const key = fields['id'] ?? fields['model_id'] ?? fields['cluster_name']
    if (typeof key !== 'string' || spared.has(key)) return
    const rows = byCollection.get(collection) ?? new Map<string, Record<string, unknown>>()
    byCollection.set(collection, rows)
    rows.set(key, { ...rows.get(key), ...fields })
    const [oldest] = rows.keys()
    if (rows.size > MOST_ROWS && oldest !== undefined) rows.delete(oldest)
  }

  return {
    note({ method, path }, body) {
      const collection = collectionOf(path, path.lastIndexOf('/{'))
      if (method === 'DELETE') {
        const { id } = Object(body) as { id?: unknown }
        byCollection.get(collection)?.delete(String(id))
        return
      }
      noteRow(collection, body)
      // A list has its rows in `data`; what creates may show the row beside a secret.
      for (const part of Object.values(Object(body) as object) as unknown[]) {
        for (const row of Array.isArray(part) ? (part as unknown[]) : [part]) noteRow(collection, row)
      }
    },
    value({ path }, name, index) {
      const rows = [...(byCollection.get(collectionOf(path, path.indexOf(`/{${name}}`)))?.values() ?? [])]
      const row = rows[index % Math.max(1, rows.length)]
      const value = row?.[name] ?? row?.['id'] ?? row?.['model_id']
      return typeof value === 'string' ? value : undefined
    },
  }
}

/** The path of the collection: what stands before a parameter, or all of a path without one. */
function collectionOf(path: string, end: number): string {
  return end < 0 ? path : path.slice(0, end)
}
