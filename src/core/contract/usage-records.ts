import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { inQuery, ModelShown, Timestamp, Uuid } from './fields.js'
import { Count, usageQuery } from './usage.js'

const record = {
  request_id: Uuid,
  environment_id: Uuid,
  api_key_id: Uuid,
  model_id: Uuid,
  model: ModelShown,
  node_id: Uuid.meta({ description: 'Of the node that served it in the end, as in x-gateway-node.' }),
  endpoint: z.string().meta({ examples: ['chat.completions'] }),
  stream: z.boolean(),
  status: z
    .number()
    .int()
    .meta({ examples: [200] }),
  error_code: z.string().nullable(),
  client_abort: z.boolean(),
  failed: z.boolean(),
  attempts: Count,
  resumed: Count.meta({ description: 'How often its stream broke at a node and went on at another one.' }),
  prompt_tokens: Count,
  completion_tokens: Count,
  cached_tokens: Count,
  total_tokens: Count,
  counted: z.enum(['reported', 'estimated']),
  cost_usd: z.number(),
  latency_ms: z.number().meta({ description: 'Of the whole request.' }),
  ttft_ms: z.number().nullable(),
  itl_ms: z.number().nullable(),
  overhead_ms: z.number(),
  started_at: Timestamp,
  ended_at: Timestamp,
}

/** What the operator sees of a request's record. */
export const UsageRecord = z
  .object({ ...record, node: z.string().meta({ description: "That node's cluster_name." }) })
  .meta({ id: 'UsageRecord' })

/** What its tenant sees of it: names of nodes are the operator's. */
export const OwnUsageRecord = z.object(record).meta({ id: 'OwnUsageRecord' })

/** Query parameters of a list of records. */
export const recordsPage = {
  limit: inQuery(z.number().int().min(1).max(200).default(50)),
  cursor: z.string().max(200).optional().meta({ description: 'The next_cursor of the page before.' }),
}

export const PAGES =
  'Ask for the next page with next_cursor as cursor and all else as it was, limit excepted; null: there is none.'

const tag = 'Usage'
const roles = ['admin', 'developer', 'read-only'] as const

export const getOwnUsageRecords = endpoint({
  id: 'usage.detailed',
  method: 'GET',
  path: '/v1/usage/detailed',
  auth: 'key',
  roles,
  tag,
  summary: "Your account's usage records, one a request, the latest first",
  description: PAGES,
  query: usageQuery.extend(recordsPage),
  reply: { 200: z.object({ data: z.array(OwnUsageRecord), next_cursor: z.string().nullable() }) },
  errors: ['not_found'],
})

export const USAGE_EXPORT_TYPES = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
} as const

export const exportUsage = endpoint({
  id: 'usage.export',
  method: 'GET',
  path: '/v1/usage/export',
  auth: 'key',
  roles,
  tag,
  summary: "Exports your account's usage records, the latest first, as a stream",
  description:
    'The columns are the fields of /v1/usage/detailed. cost_usd is exact: a decimal number in CSV, a DECIMAL(18, 9) in' +
    ' Parquet. A reply that breaks off before its end is not whole. In CSV a cell that a spreadsheet would run as a' +
    ' formula has an apostrophe before it.',
  query: usageQuery.extend({ format: z.enum(['csv', 'ndjson', 'parquet']).default('csv') }),
  inParts: Object.values(USAGE_EXPORT_TYPES),
  reply: { 200: z.string() },
  errors: ['not_found'],
})

export const usageRecordsEndpoints = [getOwnUsageRecords, exportUsage]
