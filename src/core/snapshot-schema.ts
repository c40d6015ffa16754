import { z } from 'zod'
import type { Snapshot } from './snapshot.js'

const Count = z.number().int().nonnegative()
const ModelShare = z.object({ modelId: z.string(), percent: z.number().nonnegative() })

/** Checks a snapshot that comes from outside this process: the store, or the file of the last good one. */
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
      stickySessions: z.boolean(),
      retry: z.object({ attempts: Count, budgetPercent: z.number(), hedgeAfterMs: z.number().nullable() }),
      resumeStreams: z.boolean(),
      queue: z.object({ maxDepth: Count, maxWaitMs: z.number() }),
      fallbackModelIds: z.array(z.string()),
      mirror: ModelShare.nullable(),
      split: z.array(ModelShare),
    }),
  ),
})
