import { z } from 'zod'

/** What an instance type is, as replies show it. */
export const InstanceTypeFields = {
  name: z.string(),
  vcpus: z.number().int(),
  memory_gb: z.number(),
  gpu_model: z.string().nullable(),
  gpu_count: z.number().int(),
  gpu_memory_gb: z.number().nullable().meta({ description: 'Of each GPU.' }),
}

/** What it costs, as replies show it. */
export const HourlyPrices = {
  price_on_demand_per_hour: z.number().nullable().meta({ description: 'Dollars; null: not known.' }),
  price_spot_per_hour: z.number().nullable().meta({ description: 'Dollars; null: not known.' }),
  price_as_of: z.iso.date().nullable().meta({ description: 'The day that the prices are of.' }),
}
