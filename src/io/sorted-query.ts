import { loadQuery } from './postgres.js'

/** Stands in a list's file before each place that orders; what follows it is the default order. */
const ORDER = /\/\* sort \*\/ (\w+\.)?created_at DESC, (\w+\.)?id DESC/g

/**
 * The text of a list in any order: `sort` is the name of a column of its page, with a minus for descending, as the
 * contract's `sortedBy` gives it. Rows that are equal in it come newest first; nulls come last.
 * @throws when the file marks no order, or `sort` is no column's name
 */
export function loadSortedQuery(name: string): (sort: string) => string {
  const text = loadQuery(name)
  if (!text.includes('/* sort */')) throw new Error(`${name}.sql marks no order`)
  const orders = new Map<string, string>()
  return (sort) => {
    const known = orders.get(sort)
    if (known !== undefined) return known
    const [, minus, column] = /^(-?)([a-z_]+)$/.exec(sort) ?? []
    if (column === undefined) throw new Error(`not an order: ${sort}`)
    const direction = minus === '-' ? 'DESC' : 'ASC'
    const ordered = text.replace(
      ORDER,
      (_order, of = '', of2 = '') => `${of}${column} ${direction} NULLS LAST, ${of2}id ${direction}`,
    )
    orders.set(sort, ordered)
    return ordered
  }
}
