import type { SectionDiff } from '../../core/config-diff.js'
import type { ConfigDocument } from '../../core/contract/config.js'
import { createInstanceType } from '../../core/contract/instance-types.js'
import { createRegion } from '../../core/contract/regions.js'
import { parseBy } from '../../core/contract/validate.js'
import type { Queryable } from '../../io/query.js'
import { placed, planOf } from './config-section.js'
import { canonicalInstanceType, canonicalRegion, type ConfigState, NAME_OF } from './config-state.js'
import { insertInstanceType, removeInstanceType, updateInstanceType } from './instance-type-rows.js'
import { insertRegion, removeRegion, updateRegion } from './region-rows.js'
import { sentOver } from './sent-over.js'

/**
 * Makes regions and instance types what a document says, under the lock of the import. Regions are there before
 * instance types name them, and go when none does any more.
 * @throws GatewayError by the rules of their own endpoints, with the place in the document
 */
export async function importPlaces(
  db: Queryable,
  document: ConfigDocument,
  state: ConfigState,
  prune: boolean,
): Promise<{ regions: SectionDiff; instance_types: SectionDiff }> {
  const regions = await planOf({
    name: 'regions',
    entries: document.regions,
    nameField: 'code',
    nameOf: NAME_OF.regions,
    stored: state.regions,
    prune,
    wantedOf: (entry, before, index) =>
      canonicalRegion(
        before === undefined
          ? parseBy(createRegion.body, entry, ['regions', index])
          : sentOver(before.row, entry),
      ),
  })
  for (const { row, stored } of regions.writes) {
    await (stored === undefined ? insertRegion(db, row) : updateRegion(db, stored.id, row))
  }

  const types = await planOf({
    name: 'instance_types',
    entries: document.instance_types,
    nameField: 'name',
    nameOf: NAME_OF.instance_types,
    stored: state.instance_types,
    prune,
    wantedOf: (entry, before, index) =>
      canonicalInstanceType(
        before === undefined
          ? parseBy(createInstanceType.body, entry, ['instance_types', index])
          : sentOver(before.row, entry),
      ),
  })
  for (const { entry, index, row, stored } of types.writes) {
    // In the order of the entry, so that a region that is not there is named by its place.
    const asSent = { ...row, regions: entry.regions ?? row.regions }
    await placed('instance_types', index, () =>
      stored === undefined ? insertInstanceType(db, asSent) : updateInstanceType(db, stored.id, asSent),
    )
  }
  for (const { id, row } of types.removals) await removeInstanceType(db, { ...row, id })
  for (const { id, row } of regions.removals) await removeRegion(db, { ...row, id })
  return { regions: regions.diff, instance_types: types.diff }
}
