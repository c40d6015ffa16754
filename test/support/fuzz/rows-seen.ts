import type { Operation } from './operations.js'

type Values = Readonly<Record<string, string>>

/** Rows that replies showed, newest last, so that later requests can name them. */
export interface RowsSeen {
  /** Takes note of the rows in the reply of an operation that was called with these path parameters. */
  note(operation: Operation, parameters: Values, body: unknown): void
  /**
   * Values for parameters of a path out of rows seen there, each the n-th; of a row within another one also for that
   * one's parameter. Those of which no row was seen are left out.
   */
  values(operation: Operation, nth: Readonly<Record<string, number>>): Values
}

interface Row {
  readonly fields: Readonly<Record<string, unknown>>
  /** Path parameters of the rows that it lies in. */
  readonly within: Values
}

const MOST_ROWS = 12

/** @param spared ids of rows that no request should name: the run needs them */
export function createRowsSeen(spared: ReadonlySet<string>): RowsSeen {
  const byCollection = new Map<string, Map<string, Row>>()

  const noteRow = (collection: string, within: Values, row: unknown) => {
    if (typeof row !== 'object' || row === null) return
    const fields = { ...row } as Record<string, unknown>
    const key = fields['id'] ?? fields['model_id'] ?? fields['cluster_name']
    if (typeof key !== 'string' || spared.has(key)) return
    const rows = byCollection.get(collection) ?? new Map<string, Row>()
    byCollection.set(collection, rows)
    rows.set(key, { fields: { ...rows.get(key)?.fields, ...fields }, within })
    const [oldest] = rows.keys()
    if (rows.size > MOST_ROWS && oldest !== undefined) rows.delete(oldest)
  }

  return {
    note({ method, path }, parameters, body) {
      const collection = collectionOf(path, path.lastIndexOf('/{'))
      if (method === 'DELETE') {
        const { id } = Object(body) as { id?: unknown }
        byCollection.get(collection)?.delete(String(id))
        return
      }
      // A path that ends in a parameter shows one row of the collection before it; any other lists or creates its own.
      const place = path.endsWith('}') ? collection : path
      const within = Object.fromEntries(
        Object.entries(parameters).filter(([name]) => place.includes(`{${name}}`)),
      )
      noteRow(place, within, body)
      // A list has its rows in `data`; what creates may show the row beside a secret.
      for (const part of Object.values(Object(body) as object) as unknown[]) {
        for (const row of Array.isArray(part) ? (part as unknown[]) : [part]) noteRow(place, within, row)
      }
    },
    values({ path }, nth) {
      const found: Record<string, string> = {}
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
      for (const name of names.toReversed()) {
        const index = nth[name]
        if (index === undefined || name in found) continue
        const rows = [...(byCollection.get(collectionOf(path, path.indexOf(`/{${name}}`)))?.values() ?? [])]
        const row = rows[index % Math.max(1, rows.length)]
        const value = row?.fields[name] ?? row?.fields['id'] ?? row?.fields['model_id']
        if (typeof value === 'string') Object.assign(found, row?.within, { [name]: value })
      }
      return found
    },
  }
}

/** The path of the collection: what stands before a parameter, or all of a path without one. */
function collectionOf(path: string, end: number): string {
  return end < 0 ? path : path.slice(0, end)
}
