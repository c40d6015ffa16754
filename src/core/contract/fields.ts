import { z } from 'zod'
import { microsOfDollars } from '../money.js'

/** Schemas that many resources share. Field schemas hold no defaults, so that they serve in PATCH bodies too. */

export const Uuid = z.uuid().meta({ format: 'uuid', examples: ['0199c5d2-7b3e-7f1a-9c4d-2e8f5a6b7c8d'] })
/** As replies show it. */
export const Timestamp = z.iso.datetime().meta({ examples: ['2026-03-02T14:05:00.000Z'] })
/** As bodies may give it. */
export const TimestampInput = z.iso
  .datetime({ offset: true })
  .meta({ examples: ['2030-12-31T00:00:00+01:00'] })

/**
 * Text of 1 to `max` characters, one of them visible, without control characters (a NUL can not be stored, the others
 * not be shown). The documentation shows `example`.
 */
export function text(max: number, example?: string) {
  const schema = z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'control characters are not allowed')
    .regex(/[^\s\p{Cf}]/u, 'it must not be blank')
  return example === undefined ? schema : schema.meta({ examples: [example] })
}

/**
 * A number in a query, of digits alone: neither the empty text nor hexadecimal or exponents, which JavaScript takes
 * for numbers too. A default stands in the schema given: outside, the documentation would lose it.
 */
export function inQuery<S extends z.ZodType>(schema: S) {
  return z.preprocess(
    (text) => (typeof text === 'string' && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text),
    schema,
  )
}

/** A lower-case name that can stand in a path. */
export const Slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected 1 to 63 lower-case letters, digits and hyphens')
  .meta({ examples: ['llama-a100-1'] })

/** Names of providers as SkyPilot has them: `aws`, `gcp`, `azure`, `lambda`; `local` is this machine. */
export const Provider = Slug.meta({ examples: ['aws'] })

/** Names and aliases of models: `meta-llama/Llama-3.1-8B-Instruct`. */
export const ModelName = z
  .string()
  .regex(
    /^[\p{L}\p{N}][\p{L}\p{N}._:@/+-]{0,199}$/u,
    'expected a model name: letters, digits and . _ : @ / + -',
  )
  .meta({ examples: ['meta-llama/Llama-3.1-8B-Instruct'] })

/** The name of a model as replies show it. */
export const ModelShown = z.string().meta({ examples: ['meta-llama/Llama-3.1-8B-Instruct'] })

/** A non-negative amount in dollars that is exact in micro-dollars, at most a million. */
export const Dollars = z
  .number()
  .min(0)
  .max(1_000_000)
  .refine((dollars) => microsOfDollars(dollars) !== null, 'expected at most six decimals')

/** A body that sets the fields it sends, at least one. */
export function changesOf<S extends z.ZodRawShape>(shape: S) {
  return z
    .strictObject(shape)
    .partial()
    .refine((body) => Object.keys(body).length > 0, 'send at least one field')
}

/** Query parameters of every paginated list. */
export const page = {
  limit: inQuery(z.number().int().min(1).max(200).default(50)),
  offset: inQuery(z.number().int().min(0).max(1_000_000_000).default(0)),
}

/**
 * The order of a list: one of its fields, with a minus for descending; the first one descending is the default.
 * The list's query has a column of each name (see src/io/sorted-query.ts).
 */
export function sortedBy(first: string, ...others: string[]) {
  const orders = [first, ...others].flatMap((field) => [field, `-${field}`])
  return {
    sort: z
      .enum(orders)
      .default(`-${first}`)
      .meta({ description: 'A field, ascending; with a minus descending.' }),
  }
}

/** `{"data": [...], "pagination": {...}}` */
export function listOf<S extends z.ZodType>(row: S) {
  return z.object({
    data: z.array(row),
    pagination: z
      .object({
        total: z.number().int(),
        limit: z.number().int(),
        offset: z.number().int(),
        has_more: z.boolean(),
      })
      .meta({ examples: [{ total: 1, limit: 50, offset: 0, has_more: false }] }),
  })
}

/** A limit, as bodies give and replies show it. */
function limit(what: string, max: number) {
  return z
    .number()
    .int()
    .min(1)
    .max(max)
    .nullable()
    .meta({ description: `${what}; null: unlimited.` })
}

/** Limits of a tenant, an environment or a key. */
export const limits = {
  rate_limit_per_minute: limit('Requests per minute', 1_000_000_000),
  tokens_per_minute: limit('Prompt and completion tokens per minute', 1_000_000_000_000),
  max_concurrency: limit('Requests at the same time', 1_000_000_000),
}

/** The same where what is left out is unlimited. */
export const limitsOrNone = {
  rate_limit_per_minute: limits.rate_limit_per_minute.default(null),
  tokens_per_minute: limits.tokens_per_minute.default(null),
  max_concurrency: limits.max_concurrency.default(null),
}

/** Models that may be used, by name or alias; null is every model. */
export const AllowedModels = z
  .array(ModelName)
  .max(1000)
  .nullable()
  .meta({ examples: [null] })

/** The same as replies show them. */
export const allowedModelsShown = z
  .array(z.string())
  .nullable()
  .meta({ examples: [null] })

/** A new API key, in the one reply that shows it. */
export const KeyShown = z
  .string()
  .meta({ examples: ['clsk_live_7Yb2mQx9RfK4tVw8NcZ1pLs6HdJ3gTa5EuX0iBoMqCy2vR4k9'] })

/** What a DELETE answers. */
export const Deleted = z.object({ id: Uuid, status: z.string().meta({ examples: ['deleted'] }) })
