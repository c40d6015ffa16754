import { z } from 'zod'
import { FaultRule } from './faults.js'

export const FLAVOURS = ['vllm', 'sglang', 'plain'] as const
export type Flavour = (typeof FLAVOURS)[number]

const ms = z.number().min(0).max(3_600_000)
const count = z.int().min(1)

/** How a simulated node behaves. Every field has a default; times in milliseconds. */
export const SimulatedNodeOptions = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  /** 0: any free port. */
  port: z.int().min(0).max(65_535).default(0),
  models: z.array(z.string().min(1)).min(1).default(['sim-8b']),
  /** `plain`: an OpenAI-compatible server that knows `include_usage`, but no continuous stats, metrics or continuation. */
  flavour: z.enum(FLAVOURS).default('vllm'),
  /** From start of work to first token, beside the prefill. */
  ttftMs: ms.default(0),
  /** Prefill time for each 1,000 prompt tokens that are not cached. */
  prefillMsPer1k: ms.default(0),
  /** Between two tokens; 0: as fast as the socket takes them. */
  itlMs: ms.default(0),
  /** Each wait is drawn evenly from ± this fraction of it. */
  jitter: z.number().min(0).max(1).default(0),
  /** Requests in work at once; more wait in order of arrival. */
  maxRunning: count.default(256),
  completionMaxTokens: count.default(16),
  chatMaxTokens: count.default(128),
  /** Prompt plus answer; beyond it a 400. */
  contextLength: count.default(131_072),
  /** Chance that an answer ends after any one token by itself (`finish_reason: stop`). */
  eosProbability: z.number().min(0).max(1).default(0),
  /** Drives jitter and fault draws, not the text. */
  seed: z.int().default(1),
  /** Drives the text. Nodes with the same one give the same answers. */
  modelSeed: z.int().default(1),
  /** Demanded as a bearer token under `/v1`. */
  apiKey: z.string().min(1).optional(),
  /** Stream headers before the prefill; by default as the flavour does it (vLLM does). */
  sendHeadersEarly: z.boolean().optional(),
  /** This part of each prompt counts as cached. */
  cachedFraction: z.number().min(0).max(1).default(0),
  /** Remember prompts in blocks of 64 characters and count known leading blocks as cached. */
  prefixCache: z.boolean().default(false),
  /** For the KV-cache gauge; default 1,024 tokens for each of `maxRunning`. */
  kvCapacityTokens: count.optional(),
  /** Replies of `/v1` tell the node's load in a header, as vLLM does when asked to (ORCA's text form). */
  loadHeader: z.boolean().default(false),
  embeddingDimensions: count.default(64),
  /** Idle connections close after this (uvicorn's default, which vLLM has). */
  keepAliveMs: ms.default(5000),
  /** Request ids that the ledger holds; the oldest go first. */
  ledgerLimit: count.default(200_000),
  faults: z.array(FaultRule).default([]),
})
export type SimulatedNodeOptions = z.output<typeof SimulatedNodeOptions>
export type SimulatedNodeInput = z.input<typeof SimulatedNodeOptions>

/** Fills in the defaults. Throws an `Error` that names every bad option in one line. */
export function parseOptions(input: unknown): SimulatedNodeOptions {
  const parsed = SimulatedNodeOptions.safeParse(input)
  if (parsed.success) return parsed.data
  throw new Error(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
}
