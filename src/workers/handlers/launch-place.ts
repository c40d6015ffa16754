import { GatewayError } from '../../core/errors.js'
import type { Queryable } from '../../io/query.js'
import type { LauncherKind } from '../launchers/launcher.js'
import type { Launching } from '../launchers/launching.js'
import { findPlace, type PlaceWanted } from '../orchestration/placement.js'

/** Where a deployment's machines are to run, by names as the API takes them. */
export type Place = PlaceWanted & { readonly use_spot: boolean }

/**
 * Finds a place in the catalogue, as the first machine would be placed.
 * @returns ids of what is named in it; null: nothing is
 * @throws GatewayError not_found with the field that names nothing there; invalid_parameter with the field that does not
 *   go together with the others, or with the model's memory
 */
export async function requirePlace(
  db: Queryable,
  modelId: string,
  place: Place,
): Promise<{ regionId: string | null; instanceTypeId: string | null }> {
  const { regions, type } = await findPlace(db, modelId, place, place.use_spot ? 'spot' : 'on_demand')
  return {
    regionId: place.region === null ? null : (regions[0]?.id ?? null),
    instanceTypeId: place.instance_type === null ? null : (type?.id ?? null),
  }
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
