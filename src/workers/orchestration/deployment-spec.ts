import { z } from 'zod'
import { LaunchedEngine } from '../../core/contract/machine.js'

/** What of a deployment has no column of its own. */
export const DeploymentSpec = z.object({
  gpu_type: z.string().nullable(),
  engine: LaunchedEngine,
  engine_args: z.array(z.string()),
  use_spot: z.boolean(),
  fallback_on_demand_after_seconds: z.number().nullable(),
  disk_size_gb: z.number().nullable(),
})
export type DeploymentSpec = z.infer<typeof DeploymentSpec>
