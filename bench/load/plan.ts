import { z } from 'zod'
import { ARRIVALS } from './arrivals.js'
import { Lengths } from './lengths.js'
import { Stages } from './profile.js'
import { Slo } from './slo.js'

export const ENDPOINTS = ['chat', 'completions', 'embeddings'] as const
export type Endpoint = (typeof ENDPOINTS)[number]

/** Everything that decides a load run. Crosses to the generator's processes over IPC. */
export const LoadPlan = z.object({
  /** Base URL that ends in `/v1`. */
  url: z.string(),
  /** Sent as a bearer token; never part of a report. */
  key: z.string().nullable(),
  /** Null: the only one that the server lists. */
  model: z.string().nullable(),
  /** Certificates are not checked. */
  insecure: z.boolean(),
  endpoint: z.enum(ENDPOINTS),
  stream: z.boolean(),
  /** `open`: requests are sent at times of their own. `closed`: so many are open, each followed by the next. */
  loop: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('open'), arrivals: z.enum(ARRIVALS) }),
    z.object({ kind: z.literal('closed') }),
  ]),
  stages: Stages,
  warmUpSeconds: z.number(),
  /** Requests after the warm-up; null: as many as the stages' time gives. */
  requests: z.number().nullable(),
  /** Most connections at once, over all processes. */
  maxOpen: z.number(),
  /** Counted from a request's intended send time. */
  timeoutMs: z.number(),
  /** Share of requests that are left at a random moment. */
  abortRate: z.number(),
  prompts: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('synthetic'),
      tokens: Lengths,
      /** Tokens of a prefix that stands before the prompt, and how many different ones there are. */
      sharedPrefixTokens: z.number(),
      prefixes: z.number(),
    }),
    z.object({ kind: z.literal('file'), path: z.string() }),
  ]),
  /** Null: what a line of the prompt file says, else {@link DEFAULT_OUTPUT_TOKENS}. */
  outputTokens: Lengths.nullable(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  bodyFields: z.record(z.string(), z.unknown()),
  slo: Slo.nullable(),
  seed: z.number(),
  /** Of the generator. */
  processes: z.number(),
})
export type LoadPlan = z.infer<typeof LoadPlan>

export const DEFAULT_OUTPUT_TOKENS = 128

/** The plan as a report shows it: without key and without values of headers, which may be secrets as well. */
export function settingsOf({ key: _, headers, ...plan }: LoadPlan): Record<string, unknown> {
  return { ...plan, headers: headers.map(([name]) => name) }
}
