import type { SectionDiff } from '../../core/config-diff.js'
import type { ConfigDocument } from '../../core/contract/config.js'
import { GatewayError } from '../../core/errors.js'
import { DEFAULT_ROUTE } from '../../core/snapshot.js'
import type { Queryable } from '../../io/query.js'
import { planOf } from './config-section.js'
import { canonicalRoute, type ConfigState, NAME_OF } from './config-state.js'
import { mergedRoute, requireNodes, routeFieldsOf, writeRoute } from './routes.js'

/**
 * Makes routes what a document says, under the lock of the import; what is pruned has the defaults again.
 * @throws GatewayError not_found for a model or a node that is not there, with the place in the document
 */
export async function importRoutes(
  db: Queryable,
  entries: ConfigDocument['routes'],
  stored: ConfigState['routes'],
  prune: boolean,
): Promise<SectionDiff> {
  const { diff, writes } = await planOf({
    name: 'routes',
    entries,
    nameField: 'model',
    nameOf: NAME_OF.routes,
    stored,
    prune: false,
    wantedOf: async (entry, before) => {
      if (before === undefined) throw noModel(entry.model)
      if (entry.node_weights !== undefined) await requireNodes(db, before.id, Object.keys(entry.node_weights))
      return canonicalRoute(entry.model, mergedRoute(before.row, entry))
    },
  })
  for (const { entry, row, stored: before } of writes) {
    if (before !== undefined) await writeRoute(db, before.id, row, entry.node_weights !== undefined)
  }
  return prune && entries !== undefined ? { ...diff, deleted: await resetRoutes(db, entries, stored) } : diff
}

/** Gives the defaults to the routes that are not in a list, and says which that changed. */
async function resetRoutes(
  db: Queryable,
  entries: NonNullable<ConfigDocument['routes']>,
  stored: ConfigState['routes'],
): Promise<SectionDiff['deleted']> {
  const listed = new Set(entries.map(NAME_OF.routes))
  const defaults = [...stored.values()].flatMap(({ row: { model } }) =>
    listed.has(model) ? [] : [canonicalRoute(model, routeFieldsOf(DEFAULT_ROUTE))],
  )
  const { diff, writes } = await planOf({
    name: 'routes',
    entries: defaults,
    nameField: 'model',
    nameOf: NAME_OF.routes,
    stored,
    prune: false,
    wantedOf: (route) => route,
  })
  for (const { row, stored: before } of writes) {
    if (before !== undefined) await writeRoute(db, before.id, row, true)
  }
  return diff.updated
}

function noModel(name: string): GatewayError {
  return new GatewayError('not_found', { param: 'model', message: `There is no model named '${name}'.` })
}
