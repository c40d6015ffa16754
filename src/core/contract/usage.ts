import { z } from 'zod'
import { GRANULARITIES } from '../date-buckets.js'
import { isTimeZone } from '../date-range.js'
import { endpoint } from './endpoint.js'
import { ModelName, ModelShown, Uuid } from './fields.js'

const Day = z.iso.date()
const Moment = z.iso.datetime({ offset: true })

export const DateInput = z
  .string()
  .refine(
    (text) => Day.safeParse(text).success || Moment.safeParse(text).success,
    'expected YYYY-MM-DD, or an RFC 3339 time with its offset',
  )
  .refine((text) => Number(text.slice(0, 4)) >= 1970, 'expected a year from 1970 on')

export const ModelOrAlias = ModelName.meta({
  description: 'Name or alias of a model; a name that no model has any more finds what was used under it.',
})

export const usageQuery = z.strictObject({
  start_date: DateInput.optional().meta({
    description: 'A whole day in tz, or an RFC 3339 time. Default: 29 days before the end.',
  }),
  end_date: DateInput.optional().meta({
    description: 'A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: today.',
  }),
  tz: z
    .string()
    .max(64)
    .refine(isTimeZone, 'expected the IANA name of a time zone')
    .default('UTC')
    .meta({ description: 'Time zone of whole days.' }),
  model: ModelOrAlias.optional(),
  api_key_id: Uuid.optional(),
})

export const Count = z.number().int().nonnegative()

export const counts = {
  failed_requests: Count.meta({
    description: "The gateway's or a node's failures; a client's abort is none.",
  }),
  prompt_tokens: Count,
  completion_tokens: Count,
  cached_tokens: Count.meta({ description: 'Prompt tokens that came from a cache; part of prompt_tokens.' }),
  total_tokens: Count,
}

export const ModelUsage = z
  .object({
    model: ModelShown,
    requests: Count,
    ...counts,
    cost_usd: z.number(),
    avg_latency_ms: z.number().meta({ description: 'Mean of the whole requests.' }),
  })
  .meta({ id: 'ModelUsage' })

export const Usage = z
  .object({
    start_date: z.string().meta({ examples: ['2026-02-01'] }),
    end_date: z.string().meta({ examples: ['2026-03-02'] }),
    total_requests: Count,
    ...counts,
    total_cost_usd: z.number(),
    by_model: z.array(ModelUsage),
  })
  .meta({ id: 'Usage' })

/** A model's use, of which another breakdown has the same columns. */
const { model: _model, ...modelColumns } = ModelUsage.shape

export const KeyUsage = z
  .object({
    api_key_id: Uuid,
    api_key_name: z
      .string()
      .nullable()
      .meta({
        description: 'Also of a revoked key; null: nothing is known of that key any more.',
        examples: ['ci'],
      }),
    ...modelColumns,
  })
  .meta({ id: 'KeyUsage' })

export const DateUsage = z
  .object({
    date: z.string().meta({
      description:
        'The calendar date; of a week its Monday, of a month its first day, of an hour the time at which it begins.',
    }),
    requests: Count,
    ...counts,
    cost_usd: z.number(),
    avg_latency_ms: z.number().nullable().meta({ description: 'Null without a request.' }),
  })
  .meta({ id: 'DateUsage' })

/** How dates are cut. */
export const Granularity = z
  .enum(GRANULARITIES)
  .default('day')
  .meta({ description: 'Of the dates: hours, days, weeks from Monday and months of the calendar in tz.' })

const tag = 'Usage'
const roles = ['admin', 'developer', 'read-only'] as const

export const getUsage = endpoint({
  id: 'usage.get',
  method: 'GET',
  path: '/v1/usage',
  auth: 'key',
  roles,
  tag,
  summary: "Your account's requests, tokens and cost in a range of time",
  query: usageQuery,
  reply: { 200: Usage },
  errors: ['not_found'],
})

export const getUsageByModel = endpoint({
  id: 'usage.by-model',
  method: 'GET',
  path: '/v1/usage/by-model',
  auth: 'key',
  roles,
  tag,
  summary: 'The same by model; models without a request are left out',
  query: usageQuery,
  reply: { 200: z.object({ data: z.array(ModelUsage) }) },
  errors: ['not_found'],
})

export const getUsageByKey = endpoint({
  id: 'usage.by-key',
  method: 'GET',
  path: '/v1/usage/by-key',
  auth: 'key',
  roles,
  tag,
  summary: 'The same by API key; keys without a request are left out',
  query: usageQuery,
  reply: { 200: z.object({ data: z.array(KeyUsage) }) },
  errors: ['not_found'],
})

export const getUsageByDate = endpoint({
  id: 'usage.by-date',
  method: 'GET',
  path: '/v1/usage/by-date',
  auth: 'key',
  roles,
  tag,
  summary: 'The same by hour, day, week or month, oldest first',
  description:
    'Every stretch of the range is there, with zeros where nothing was used; the range cuts the first and the last.',
  query: usageQuery.extend({ granularity: Granularity }),
  reply: { 200: z.object({ data: z.array(DateUsage) }) },
  errors: ['not_found'],
})

export const usageEndpoints = [getUsage, getUsageByModel, getUsageByKey, getUsageByDate]
