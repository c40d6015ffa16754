import { z } from 'zod'

/** What runs SQL: a `pg` pool, or one connection in a transaction. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>
}

/** All rows of a query, each parsed by the schema. */
export async function rowsOf<S extends z.ZodType>(
  db: Queryable,
  sql: string,
  schema: S,
  values: unknown[] = [],
): Promise<z.output<S>[]> {
  const { rows } = await db.query(sql, values)
  return rows.map((row) => schema.parse(row))
}

/** The first row, or null when there is none. */
export async function rowOf<S extends z.ZodType>(
  db: Queryable,
  sql: string,
  schema: S,
  values: unknown[] = [],
): Promise<z.output<S> | null> {
  const [row] = await rowsOf(db, sql, schema, values)
  return row ?? null
}

/** The one row of a statement that always has one; throws where it has none. */
export async function theRowOf<S extends z.ZodType>(
  db: Queryable,
  sql: string,
  schema: S,
  values: unknown[] = [],
): Promise<z.output<S>> {
  const row = await rowOf(db, sql, schema, values)
  if (row === null) throw new Error('a statement that always gives a row gave none')
  return row
}

const Total = z.object({ total: z.coerce.number() })

/**
 * One page of a list. The query is a count LEFT JOINed with the page (so that `total` is there beyond the last page,
 * too) and has a row of nulls for an empty page.
 */
export async function pageOf<S extends z.ZodType>(
  db: Queryable,
  sql: string,
  schema: S,
  values: unknown[],
): Promise<{ rows: z.output<S>[]; total: number }> {
  const { rows } = await db.query(sql, values)
  const present = rows.filter((row) => z.object({ id: z.unknown() }).parse(row).id !== null)
  return { rows: present.map((row) => schema.parse(row)), total: Total.parse(rows[0]).total }
}
