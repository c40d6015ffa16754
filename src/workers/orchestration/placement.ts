import { z } from 'zod'
import type { MachineWanted } from '../../core/contract/machine.js'
import type { Machine, Market } from '../../core/machine.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'

const MODEL = loadQuery('placement-model')

/** A machine as it is to be asked for, and what the node's row says of it. */
export interface Placement {
  readonly machine: Machine
  /** Code of the region, where there is only one to choose from. */
  readonly region: string | null
  readonly instanceTypeId: string | null
  /** Null: not known. */
  readonly pricePerHourMicros: number | null
}

const ModelRow = z.object({ name: z.string(), source: z.string().nullable() })

/** Settles which machine a node of a model is launched on. */
export async function placeMachine(
  db: Queryable,
  modelId: string,
  wanted: MachineWanted,
  market: Market,
): Promise<Placement> {
  const model = await theRowOf(db, MODEL, ModelRow, [modelId])
  const { provider, region, instance_type: instanceType, gpu_type: gpuType } = wanted
  return {
    machine: {
      provider,
      regions: region === null ? [] : [region],
      instanceType,
      gpuType,
      gpuCount: gpuType === null ? 0 : 1,
      market,
      engine: wanted.engine,
      engineArgs: wanted.engine_args,
      diskSizeGb: wanted.disk_size_gb,
      model: model.source ?? model.name,
      servedModelName: model.name,
    },
    region,
    instanceTypeId: null,
    pricePerHourMicros: null,
  }
}
