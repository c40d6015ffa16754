import { z } from 'zod'
import { loadClickHouseQuery } from '../../io/clickhouse.js'
import type { HandlerContext } from './handler.js'

type Parameter = string | number | null | readonly number[] | readonly string[]

/** The rows of a query file, each parsed by the schema. */
export async function clickHouseRows<S extends z.ZodType>(
  { askClickHouse }: HandlerContext,
  name: string,
  schema: S,
  parameters: Readonly<Record<string, Parameter>>,
): Promise<z.output<S>[]> {
  const rows = await askClickHouse(async (clickhouse) => {
    const result = await clickhouse.query({
      query: loadClickHouseQuery(name),
      format: 'JSONEachRow',
      query_params: parameters,
    })
    return result.json()
  })
  return z.array(schema).parse(rows)
}
