import type { SectionDiff } from '../../core/config-diff.js'
import type { ConfigDocument } from '../../core/contract/config.js'
import { GatewayError } from '../../core/errors.js'
import type { Queryable } from '../../io/query.js'
import { placed, planOf } from './config-section.js'
import { canonicalRoute, type ConfigState, NAME_OF } from './config-state.js'
import { DEFAULT_ROUTE_FIELDS, mergedRoute } from './route-fields.js'
import { findRouteModels, NO_MODELS, readWays, requireNoLoop, type RouteModels } from './route-models.js'
import { requireWeights, writeRoute } from './routes.js'

/**
 * Makes routes what a document says, under the lock of the import; what is pruned has the defaults again.
 * @throws GatewayError by the rules of a route's own endpoint, with the place in the document
 */
export async function importRoutes(
  db: Queryable,
  entries: ConfigDocument['routes'],
  stored: ConfigState['routes'],
  prune: boolean,
): Promise<SectionDiff> {
  const named = new Map<string, RouteModels>()
  const { diff, writes } = await planOf({
    name: 'routes',
    entries,
    nameField: 'model',
    nameOf: NAME_OF.routes,
    stored,
    prune: false,
    wantedOf: async (entry, before) => {
      if (before === undefined) throw noModel(entry.model)
      if (entry.node_weights !== undefined) await requireWeights(db, before.id, entry.node_weights)
      const models = await findRouteModels(db, before.id, entry)
      named.set(entry.model, models)
      return canonicalRoute(entry.model, mergedRoute(before.row, entry, models))
    },
  })
  for (const { entry, row, stored: before } of writes) {
    const models = named.get(entry.model)
    if (before === undefined || models === undefined) continue
    await writeRoute(db, before.id, row, { weights: entry.node_weights !== undefined, models })
  }
  const deleted = prune && entries !== undefined ? await resetRoutes(db, entries, stored) : []
  // Only now, since a way that is new may be closed, or opened, by what is written after it.
  const ways = writes.length === 0 ? new Map<string, string[]>() : await readWays(db)
  for (const { index, entry } of writes) {
    const models = named.get(entry.model) ?? NO_MODELS
    await placed('routes', index, () => requireNoLoop(ways, entry.model, models))
  }
  return { ...diff, deleted }
}

/** Gives the defaults to the routes that are not in a list, and says which that changed. */
async function resetRoutes(
  db: Queryable,
  entries: NonNullable<ConfigDocument['routes']>,
  stored: ConfigState['routes'],
): Promise<SectionDiff['deleted']> {
  const listed = new Set(entries.map(NAME_OF.routes))
  const defaults = [...stored.values()].flatMap(({ row: { model } }) =>
    listed.has(model) ? [] : [canonicalRoute(model, DEFAULT_ROUTE_FIELDS)],
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
    if (before !== undefined) await writeRoute(db, before.id, row, { weights: true, models: NO_MODELS })
  }
  return diff.updated
}

function noModel(name: string): GatewayError {
  return new GatewayError('not_found', { param: 'model', message: `There is no model named '${name}'.` })
}
