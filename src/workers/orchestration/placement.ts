import { z } from 'zod'
import type { MachineWanted } from '../../core/contract/machine.js'
import type { Machine, Market } from '../../core/machine.js'
import { ANY_CLOUD, type Offers, settlePlace, type SettledPlace } from '../../core/placement.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowsOf, theRowOf } from '../../io/query.js'

const MODEL = loadQuery('placement-model')
const REGIONS = loadQuery('placement-regions')
const TYPES = loadQuery('placement-types')

/** A machine as it is to be asked for, and what the node's row says of it. */
export interface Placement {
  readonly machine: Machine
  /** Code of the region, where there is only one to choose from. */
  readonly region: string | null
  readonly instanceTypeId: string | null
  /** In the preferred region; null: not known. */
  readonly pricePerHourMicros: number | null
}

const ModelRow = z.object({
  name: z.string(),
  source: z.string().nullable(),
  size: z.string().nullable(),
  vram_required_gb: z.number(),
})
type ModelRow = z.infer<typeof ModelRow>

const RegionRow = z
  .object({ id: z.string(), provider: z.string(), code: z.string(), price_multiplier: z.number() })
  .transform(({ price_multiplier: multiplier, ...region }) => ({ ...region, multiplier }))

const Micros = z.coerce.number().nullable()
const TypeRow = z
  .object({
    id: z.string(),
    provider: z.string(),
    name: z.string(),
    memory_gb: z.number(),
    gpu_model: z.string().nullable(),
    gpu_count: z.number(),
    gpu_memory_gb: z.number().nullable(),
    regions: z.array(z.string()).nullable(),
    price_on_demand_micros: Micros,
    price_spot_micros: Micros,
  })
  .transform(({ id, provider, name, regions, ...row }) => ({
    id,
    provider,
    name,
    regions,
    memoryGb: row.memory_gb,
    gpuModel: row.gpu_model,
    gpuCount: row.gpu_count,
    gpuMemoryGb: row.gpu_memory_gb,
    onDemandMicros: row.price_on_demand_micros,
    spotMicros: row.price_spot_micros,
  }))

/** What of a wanted machine decides where it is. */
export type PlaceWanted = Pick<MachineWanted, 'provider' | 'region' | 'instance_type' | 'gpu_type' | 'engine'>

async function offersOf(db: Queryable, provider: string): Promise<Offers> {
  const which = [provider, provider === ANY_CLOUD]
  const regions = await rowsOf(db, REGIONS, RegionRow, which)
  return { regions, types: await rowsOf(db, TYPES, TypeRow, which) }
}

async function settle(
  db: Queryable,
  model: ModelRow,
  wanted: PlaceWanted,
  market: Market,
): Promise<SettledPlace> {
  const { provider, region, instance_type: instanceType, gpu_type: gpuType, engine } = wanted
  return settlePlace(
    await offersOf(db, provider),
    { provider, region, instanceType, gpuType, engine, market },
    { vramGb: model.vram_required_gb, size: model.size },
  )
}

/**
 * Settles where machines of a model are to be, without their engine's arguments: see {@link settlePlace}.
 * @throws GatewayError not_found or invalid_parameter that names the field at fault
 */
export async function findPlace(
  db: Queryable,
  modelId: string,
  wanted: PlaceWanted,
  market: Market,
): Promise<SettledPlace> {
  return settle(db, await theRowOf(db, MODEL, ModelRow, [modelId]), wanted, market)
}

/**
 * Settles which machine a node of a model is launched on.
 * @throws GatewayError not_found or invalid_parameter that names the field of the API that asks for what the catalogue
 *   does not have, or what the model does not fit
 */
export async function placeMachine(
  db: Queryable,
  modelId: string,
  wanted: MachineWanted,
  market: Market,
): Promise<Placement> {
  const model = await theRowOf(db, MODEL, ModelRow, [modelId])
  const place = await settle(db, model, wanted, market)
  const [region, ...others] = place.regions
  return {
    machine: {
      provider: place.provider,
      regions: place.regions.map(({ code }) => code),
      instanceType: place.type?.name ?? null,
      gpuType: place.gpuType,
      gpuCount: place.gpuCount,
      market,
      engine: wanted.engine,
      engineArgs: wanted.engine_args,
      diskSizeGb: wanted.disk_size_gb,
      model: model.source ?? model.name,
      servedModelName: model.name,
    },
    region: region !== undefined && others.length === 0 ? region.code : null,
    instanceTypeId: place.type?.id ?? null,
    pricePerHourMicros: place.priceMicros,
  }
}
