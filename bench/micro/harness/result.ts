import { z } from 'zod'

/** What was measured of one case, per operation. */
export const MicroResult = z.object({
  bench: z.string(),
  case: z.string(),
  operation: z.string(),
  minNs: z.number(),
  medianNs: z.number(),
  /** Of the means of batches of at least 1 ms. */
  p99Ns: z.number(),
  samples: z.number().int(),
  operationsPerSample: z.number().int(),
  /** False: the times still moved at the end of the warm-up. */
  steady: z.boolean(),
  heapBytes: z.number(),
  /** Memory of buffers, outside of V8's heap. */
  externalBytes: z.number(),
  /** Held against the median; null: none was set. */
  goalNs: z.number().nullable(),
})
export type MicroResult = z.infer<typeof MicroResult>
