import { z } from 'zod'
import { DEPLOYMENT_STATUSES } from './deployment-state.js'
import { DEFAULT_ROUTE, type Snapshot } from './snapshot.js'

const Count = z.number().int().nonnegative()
const ModelShare = z.object({ modelId: z.string(), percent: z.number().nonnegative() })

/**
 * Checks a snapshot that comes from outside this process: the store, or the file of the last good one. What a route of an
 * earlier version does not have yet is the default.
 */
export const snapshotSchema: z.ZodType<Snapshot> = z.object({
  version: Count,
  models: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      aliases: z.array(z.string()),
      family: z.string(),
      type: z.enum(['chat', 'completion', 'embedding']),
      contextLength: Count,
      prices: z.object({
        inputMicros: Count,
        cachedInputMicros: Count.nullable(),
        outputMicros: Count,
      }),
      // Not in the file of an earlier version.
      tokensPerSecond: z.number().nullable().default(null),
      createdAt: Count,
    }),
  ),
  nodes: z.array(
    z.object({
      id: z.string(),
      clusterName: z.string(),
      modelId: z.string(),
      endpointUrl: z.string(),
      upstreamModel: z.string(),
      weight: z.number().positive(),
      maxConcurrency: Count.nullable(),
      apiKey: z.string().nullable(),
      engine: z.enum(['vllm', 'sglang', 'llama-cpp', 'openai', 'simulated']),
      status: z.enum(['launching', 'active', 'draining', 'unhealthy', 'terminating', 'failed']),
    }),
  ),
  routes: z.array(
    z.object({
      modelId: z.string(),
      strategy: z.enum(['round-robin', 'least-latency', 'least-connections', 'weighted', 'prefix-affinity']),
      healthCheck: z.object({
        intervalSeconds: z.number(),
        timeoutSeconds: z.number(),
        unhealthyThreshold: z.number(),
        healthyThreshold: z.number(),
      }),
      connectionTimeoutMs: z.number(),
      firstTokenTimeoutMs: z.number(),
      idleTimeoutMs: z.number(),
      nodeWeights: z.record(z.string(), z.number().nonnegative()),
      allowedBodyFields: z.array(z.string()),
      stickySessions: z.boolean().default(DEFAULT_ROUTE.stickySessions),
      retry: z
        .object({ attempts: Count, budgetPercent: z.number(), hedgeAfterMs: z.number().nullable() })
        .default({ ...DEFAULT_ROUTE.retry }),
      resumeStreams: z.boolean().default(DEFAULT_ROUTE.resumeStreams),
      queue: z
        .object({
          maxDepth: Count,
          maxWaitMs: z.number(),
          coldStartMaxWaitMs: z.number().default(DEFAULT_ROUTE.queue.coldStartMaxWaitMs),
        })
        .default({ ...DEFAULT_ROUTE.queue }),
      fallbackModelIds: z.array(z.string()).default([]),
      mirror: ModelShare.nullable().default(null),
      split: z.array(ModelShare).default([]),
    }),
  ),
  deployments: z
    .array(
      z.object({
        id: z.string(),
        modelId: z.string(),
        status: z.enum(DEPLOYMENT_STATUSES),
        asleep: z.boolean(),
        wanted: Count,
        serving: Count,
        launchingSinceMs: z.number().nullable(),
        failing: z.object({ sinceMs: z.number(), retryAtMs: z.number() }).nullable().default(null),
        launches: z.array(z.object({ atMs: z.number(), tookMs: z.number() })),
      }),
    )
    .default([]),
})
