/**
 * Which machine a model is launched on: an instance type of the catalogue whose memory holds the model, and the regions that
 * offer it, by price.
 */
import { GatewayError } from './errors.js'
import { defaultGpusOf } from './default-gpus.js'
import type { Market } from './machine.js'
import {
  byPrice,
  type Candidate,
  cheapest,
  type InstanceOffer,
  type OfferedRegion,
  priceIn,
} from './machine-prices.js'

/** The provider that stands for every cloud of the catalogue: SkyPilot takes the cheapest that has the machine. */
export const ANY_CLOUD = 'skypilot'
/** The provider of this very machine. */
const LOCAL = 'local'
/** The instance type of this machine, unless another one of `local` is named. */
const HOST = 'host'

/** Engines that run on GPUs alone. */
const NEED_GPU: ReadonlySet<string> = new Set(['vllm', 'sglang'])
/** The engine that loads no model. */
const LOADS_NOTHING = 'simulated'

/** What the provider that is asked for has; of {@link ANY_CLOUD} what all clouds have. */
export interface Offers {
  readonly regions: readonly OfferedRegion[]
  readonly types: readonly InstanceOffer[]
}

/** What is asked for; null: whatever fits. */
export interface MachineWish {
  readonly provider: string
  readonly region: string | null
  readonly instanceType: string | null
  readonly gpuType: string | null
  readonly engine: string
  readonly market: Market
}

export interface ModelNeeds {
  readonly vramGb: number
  /** As the catalogue has it: `8B`. */
  readonly size: string | null
}

/** What it came to. */
export interface SettledPlace {
  /** One of the catalogue's; {@link ANY_CLOUD}: any cloud that has the GPUs. */
  readonly provider: string
  /** Those that offer it, the cheapest first; none: wherever it is found. */
  readonly regions: readonly OfferedRegion[]
  /** Null: any with the GPUs. */
  readonly type: InstanceOffer | null
  readonly gpuType: string | null
  readonly gpuCount: number
  /** Micro-dollars an hour in the first region; null: not known. */
  readonly priceMicros: number | null
}

/**
 * Settles where a model is launched. The order of the catalogue's rows does not matter.
 * @throws GatewayError not_found or invalid_parameter with the field of the API that asks for what there is not
 */
export function settlePlace(offers: Offers, wish: MachineWish, model: ModelNeeds): SettledPlace {
  requireKnown(offers, wish)
  const named = offers.types.filter(
    ({ name, gpuModel }) =>
      (wish.instanceType === null || name === wish.instanceType) &&
      (wish.gpuType === null || gpuModel === wish.gpuType),
  )
  if (wish.provider === LOCAL) return settleHere(offers, named, wish)
  const offered = requireOffered(offers, requireGpu(named, wish), wish)
  const fitting = requireFitting(offered, wish, model)
  const best = cheapest(preferred(fitting, wish, model), wish.market)
  if (wish.provider === ANY_CLOUD && wish.region === null && wish.instanceType === null) {
    const { gpuModel, gpuCount } = best.type
    const priceMicros = priceIn(best, wish.market)
    return { provider: ANY_CLOUD, regions: [], type: null, gpuType: gpuModel, gpuCount, priceMicros }
  }
  return settled(best, wish.market)
}

function settled(candidate: Candidate, market: Market): SettledPlace {
  const { type, regions } = candidate
  const { provider, gpuModel: gpuType, gpuCount } = type
  return { provider, regions, type, gpuType, gpuCount, priceMicros: priceIn(candidate, market) }
}

/** Of this machine the operator knows what it holds: nothing is checked but what is named. */
function settleHere(offers: Offers, named: readonly InstanceOffer[], wish: MachineWish): SettledPlace {
  if (wish.market === 'spot')
    throw invalid('use_spot', 'Nobody takes this machine away: it is no spot machine.')
  const nothingNamed = wish.instanceType === null && wish.gpuType === null
  const types = named.filter(({ name }) => !nothingNamed || name === HOST)
  if (types.length > 0)
    return settled(cheapest(requireOffered(offers, types, wish), wish.market), wish.market)
  const regions = byPrice(offers.regions.filter(({ code }) => wish.region === null || code === wish.region))
  return { provider: LOCAL, regions, type: null, gpuType: null, gpuCount: 0, priceMicros: null }
}

/** @throws GatewayError for the first name that is nobody's */
function requireKnown({ regions, types }: Offers, wish: MachineWish): void {
  const { provider, region, instanceType, gpuType } = wish
  if (provider !== ANY_CLOUD && regions.length === 0) {
    const message = `There is no provider '${provider}': none of the regions is its.`
    throw new GatewayError('not_found', { param: 'provider', message })
  }
  const known = [
    ['region', region, regions.some(({ code }) => code === region)],
    ['instance_type', instanceType, types.some(({ name }) => name === instanceType)],
    ['gpu_type', gpuType, types.some(({ gpuModel }) => gpuModel === gpuType)],
  ] as const
  for (const [param, name, there] of known) {
    if (name === null || there) continue
    const message = `The provider '${provider}' has no ${param} '${name}' in the catalogue.`
    throw new GatewayError('not_found', { param, message })
  }
  const ofName = types.filter(({ name }) => name === instanceType)
  if (gpuType !== null && ofName.length > 0 && !ofName.some(({ gpuModel }) => gpuModel === gpuType)) {
    const others = ofName.map(({ gpuModel }) => gpuModel ?? 'none').sort()
    throw invalid('gpu_type', `The instance type '${instanceType}' has another GPU: ${others.join(', ')}.`)
  }
}

/** Those that have what the engine runs on. @throws GatewayError when none has */
function requireGpu(
  named: readonly InstanceOffer[],
  { provider, instanceType, engine }: MachineWish,
): readonly InstanceOffer[] {
  if (!NEED_GPU.has(engine)) return named
  const withGpus = named.filter(({ gpuCount }) => gpuCount > 0)
  if (withGpus.length > 0) return withGpus
  const what =
    instanceType === null
      ? `The catalogue has no instance type of '${provider}' with a GPU`
      : `The instance type '${instanceType}' has no GPU`
  const param = instanceType === null ? 'provider' : 'instance_type'
  throw invalid(param, `${what}, which ${engine} needs.`)
}

/** With their regions. @throws GatewayError when none of them is offered where it is wanted */
function requireOffered(
  { regions }: Offers,
  types: readonly InstanceOffer[],
  { provider, region, instanceType, gpuType }: MachineWish,
): Candidate[] {
  if (types.length === 0) throw invalid('provider', `The catalogue has no instance type of '${provider}'.`)
  const candidates = types.map((type) => ({
    type,
    regions: byPrice(regions.filter((one) => offers(type, one) && (region === null || one.code === region))),
  }))
  const offered = candidates.filter((candidate) => candidate.regions.length > 0)
  if (offered.length > 0) return offered
  const what =
    instanceType !== null
      ? `The instance type '${instanceType}'`
      : gpuType !== null
        ? `No instance type with the GPU '${gpuType}'`
        : 'No instance type'
  const where = region === null ? 'any region of the catalogue' : `the region '${region}'`
  const verb = instanceType === null ? 'is offered' : 'is not offered'
  throw invalid(region === null ? 'instance_type' : 'region', `${what} ${verb} in ${where}.`)
}

function offers(type: InstanceOffer, { provider, code }: OfferedRegion): boolean {
  return type.provider === provider && (type.regions === null || type.regions.includes(code))
}

/** @throws GatewayError with both figures when the model fits none of them */
function requireFitting(
  candidates: readonly Candidate[],
  { provider, instanceType, gpuType, engine }: MachineWish,
  { vramGb }: ModelNeeds,
): Candidate[] {
  const fits = (type: InstanceOffer) => engine === LOADS_NOTHING || vramGb <= memoryOf(type)
  // Any cloud may give any of its machines with these GPUs: the model has to fit them all.
  const alike = ({ type }: Candidate) =>
    provider === ANY_CLOUD && instanceType === null
      ? candidates.filter((other) => sameGpus(other.type, type))
      : [{ type }]
  const fitting = candidates.filter((candidate) => alike(candidate).every((one) => fits(one.type)))
  if (fitting.length > 0) return fitting
  const most = Math.max(...candidates.map(({ type }) => memoryOf(type)))
  const needs = `The model needs ${vramGb} GB of memory`
  if (instanceType !== null)
    throw invalid('instance_type', `${needs}, the instance type '${instanceType}' has ${most} GB.`)
  if (gpuType !== null)
    throw invalid('gpu_type', `${needs}, the largest machine with the GPU '${gpuType}' has ${most} GB.`)
  throw invalid('model_name', `${needs}, the largest machine of '${provider}' there has ${most} GB.`)
}

function sameGpus(one: InstanceOffer, other: InstanceOffer): boolean {
  return one.gpuModel === other.gpuModel && one.gpuCount === other.gpuCount
}

/** GB that a model can be loaded into: those of the GPUs, or of the machine where that has none. */
function memoryOf({ gpuCount, gpuMemoryGb, memoryGb }: InstanceOffer): number {
  return gpuCount > 0 ? gpuCount * (gpuMemoryGb ?? 0) : memoryGb
}

/** Where nothing is named: those with the default GPUs for the model's size, or else any with GPUs. */
function preferred(
  fitting: readonly Candidate[],
  { instanceType, gpuType, engine }: MachineWish,
  model: ModelNeeds,
): readonly Candidate[] {
  if (instanceType !== null || gpuType !== null || engine === LOADS_NOTHING) return fitting
  const { models, count } = defaultGpusOf(model)
  const usual = fitting.filter(
    ({ type }) => type.gpuModel !== null && models.includes(type.gpuModel) && type.gpuCount === count,
  )
  if (usual.length > 0) return usual
  const withGpus = fitting.filter(({ type }) => type.gpuCount > 0)
  return withGpus.length > 0 ? withGpus : fitting
}

function invalid(param: string, message: string): GatewayError {
  return new GatewayError('invalid_parameter', { param, message })
}
