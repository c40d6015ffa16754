import { z } from 'zod'
import { LaunchedEngine } from './contract/machine.js'

/** What kind of machine a node runs on: one that may be taken away, or one that stays. */
export const Market = z.enum(['spot', 'on_demand'])
export type Market = z.infer<typeof Market>

/** A machine to be launched and what is to run on it, as it was settled when the node was planned: `nodes.machine`. */
export const Machine = z.strictObject({
  provider: z.string(),
  /** Codes of regions, the preferred first; none: wherever the provider has it. */
  regions: z.array(z.string()),
  /** Null: one with the GPUs. */
  instanceType: z.string().nullable(),
  /** Model of the GPU as the catalogue names it; null: none, or whatever the instance type has. */
  gpuType: z.string().nullable(),
  gpuCount: z.number().int().min(0),
  market: Market,
  /** The name of its launch template. */
  engine: LaunchedEngine,
  engineArgs: z.array(z.string()),
  /** Null: the provider's default. */
  diskSizeGb: z.number().int().nullable(),
  /** What the engine loads: a name at a hub, or a path. */
  model: z.string(),
  /** What the engine calls it: the node's `upstream_model`. */
  servedModelName: z.string(),
})
export type Machine = Readonly<z.infer<typeof Machine>>

/** The stages of a launch in their order; a launch may pass over some. */
export const LAUNCH_STAGES = [
  'queued',
  'provisioning',
  'instance_ready',
  'installing',
  'model_loading',
  'health_check',
  'active',
] as const
export type LaunchStageName = (typeof LAUNCH_STAGES)[number]

/** Why a machine did not come up, as far as anybody decides by it. */
export type LaunchFailureKind =
  /** Nobody has such a machine now; elsewhere or later somebody may. */
  | 'no_capacity'
  /** It is asked for what cannot be: asking again is no use until somebody changes something. */
  | 'refused'
  /** The launcher has no right to, or its credentials have expired. */
  | 'unauthorized'
  /** Anything else: it may work next time. */
  | 'failed'
