import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'
import type { LauncherKind } from '../launchers/launcher.js'
import type { Launching } from '../launchers/launching.js'

const PLACE = loadQuery('launch-place')

const PlaceRow = z.object({
  known: z.boolean(),
  region_id: z.string().nullable(),
  instance_type_id: z.string().nullable(),
  instance_gpu_type: z.string().nullable(),
  offers_gpu_type: z.boolean(),
})

/** Where a machine is to run, by names as the API takes them. */
export interface Place {
  readonly provider: string
  readonly region: string | null
  readonly instance_type: string | null
  readonly gpu_type: string | null
}

/**
 * Finds a place in the catalogue.
 * @throws GatewayError not_found with the field that names nothing there, invalid_parameter with gpu_type when the
 *   instance type has another GPU
 */
export async function requirePlace(
  db: Queryable,
  { provider, region, instance_type, gpu_type }: Place,
): Promise<{ regionId: string | null; instanceTypeId: string | null }> {
  const found = await theRowOf(db, PLACE, PlaceRow, [provider, region, instance_type, gpu_type])
  if (!found.known) {
    const message = `There is no provider '${provider}': none of the regions is its.`
    throw new GatewayError('not_found', { param: 'provider', message })
  }
  if (region !== null && found.region_id === null) throw notOffered('region', provider, region)
  if (instance_type !== null && found.instance_type_id === null) {
    throw notOffered('instance_type', provider, instance_type)
  }
  if (gpu_type !== null && !found.offers_gpu_type) throw notOffered('gpu_type', provider, gpu_type)
  if (gpu_type !== null && instance_type !== null && found.instance_gpu_type !== gpu_type) {
    const message = `The instance type '${instance_type}' has another GPU: ${found.instance_gpu_type ?? 'none'}.`
    throw new GatewayError('invalid_parameter', { param: 'gpu_type', message })
  }
  return { regionId: found.region_id, instanceTypeId: found.instance_type_id }
}

function notOffered(param: keyof Place, provider: string, name: string): GatewayError {
  const message = `The provider '${provider}' has no ${param} '${name}' in the catalogue.`
  return new GatewayError('not_found', { param, message })
}

/** @throws GatewayError launcher_not_configured when nothing can launch machines of this provider */
export function requireLauncher({ launcherFor }: Launching, provider: string): LauncherKind {
  const launcher = launcherFor(provider)
  if (launcher !== null) return launcher
  throw new GatewayError('launcher_not_configured', {
    param: 'provider',
    message: `No launcher is configured for the provider '${provider}'.`,
  })
}
