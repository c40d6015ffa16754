import { z } from 'zod'

const Stats = z.object({ running: z.number() })
const Ledger = z.object({ data: z.array(z.object({ writtenTokens: z.number() })) })

async function ask<S extends z.ZodType>(url: string, schema: S): Promise<z.output<S>> {
  const response = await fetch(url)
  return schema.parse(await response.json())
}

const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0)

/** Requests that the simulated nodes have in work. */
export async function runningRequests(nodeUrls: readonly string[]): Promise<number> {
  return sum(await Promise.all(nodeUrls.map(async (url) => (await ask(`${url}/stats`, Stats)).running)))
}

/** Tokens that the nodes wrote to their sockets since their ledgers were cleared. */
export async function writtenTokens(nodeUrls: readonly string[]): Promise<number> {
  const written = async (url: string): Promise<number> =>
    sum((await ask(`${url}/ledger`, Ledger)).data.map((entry) => entry.writtenTokens))
  return sum(await Promise.all(nodeUrls.map(written)))
}

/** Empties the ledgers. */
export async function clearLedgers(nodeUrls: readonly string[]): Promise<void> {
  await Promise.all(nodeUrls.map((url) => fetch(`${url}/ledger`, { method: 'DELETE' })))
}
