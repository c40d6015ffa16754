import { z } from 'zod'
import { dollarsOfMicros } from '../../core/money.js'

const Micros = z.coerce.number().nullable()

export const InstanceTypeRow = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  vcpus: z.number(),
  memory_gb: z.number(),
  gpu_model: z.string().nullable(),
  gpu_count: z.number(),
  gpu_memory_gb: z.number().nullable(),
  price_on_demand_micros: Micros,
  price_spot_micros: Micros,
  price_as_of: z.string().nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type InstanceTypeRow = z.infer<typeof InstanceTypeRow>

/** An instance type as the API has it, at the prices of a region. */
export function instanceTypeShown(row: InstanceTypeRow, multiplier = 1) {
  const { price_on_demand_micros: onDemand, price_spot_micros: spot, version: _version, ...same } = row
  return {
    ...same,
    price_per_hour: dollarsAt(onDemand, multiplier),
    price_spot_per_hour: dollarsAt(spot, multiplier),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** Whole micro-dollars, as prices are kept. */
export function dollarsAt(micros: number | null, multiplier: number): number | null {
  return micros === null ? null : dollarsOfMicros(Math.round(micros * multiplier))
}
