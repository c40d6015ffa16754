import { z } from 'zod'
import { Slug, text } from './fields.js'

/** What runs on machines that the gateway launches itself, by the name of its launch template. */
export const LaunchedEngine = Slug.meta({
  description:
    "One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's.",
  examples: ['vllm'],
})

/** Which machine is wanted and what runs on it; for a single launch and for a deployment. */
export const machine = {
  provider: text(100, 'aws').meta({
    description: 'One that has a region in the catalogue; skypilot: the cheapest cloud that has it.',
  }),
  region: text(100, 'us-east-1').nullable().meta({ description: 'Code of one of its regions; null: any.' }),
  instance_type: text(100, 'p5.48xlarge')
    .nullable()
    .meta({ description: 'Name of one of its instance types; null: the cheapest that the model fits.' }),
  gpu_type: text(100, 'H100').nullable().meta({
    description:
      "GPU model of one of its instance types; null: that of the instance type, or by the model's size.",
  }),
  engine: LaunchedEngine,
  engine_args: z
    .array(text(1000))
    .max(100)
    .meta({ description: "Arguments of the engine's command, one each: no shell reads them." }),
  use_spot: z
    .boolean()
    .meta({ description: 'Cheaper machines that may be taken away. Not of the provider local.' }),
  disk_size_gb: z.number().int().min(10).max(65_536).nullable().meta({ description: 'Null: the default.' }),
}

/** The same, with what holds where a field is not sent. */
export const machineWanted = {
  provider: machine.provider,
  region: machine.region.default(null),
  instance_type: machine.instance_type.default(null),
  gpu_type: machine.gpu_type.default(null),
  engine: machine.engine.default('vllm'),
  engine_args: machine.engine_args.default([]),
  use_spot: machine.use_spot.default(false),
  disk_size_gb: machine.disk_size_gb.default(null),
}

export type MachineWanted = z.output<z.ZodObject<typeof machineWanted>>
