import type { SectionDiff } from '../../core/config-diff.js'
import { type ConfigDocument, exportConfig, importConfig } from '../../core/contract/config.js'
import type { Queryable } from '../../io/query.js'
import { audit } from '../audit.js'
import { importModels } from './config-models.js'
import { importPlaces } from './config-places.js'
import { importRoutes } from './config-routes.js'
import { type ConfigState, documentRows, NAME_OF, readConfig } from './config-state.js'
import { importTenants } from './config-tenants.js'
import { handle, type Handler } from './handler.js'
import { requireFitRoutes } from './route-models.js'

/**
 * Held from the comparison to the commit, so that neither another import nor a change of a row comes between: whoever
 * means to lock or write a row waits, and who reads does not. Nodes and deployments may refer to what an import removes.
 * In the order in which the other handlers lock, so that deadlocks are rare; the loser of one is run again.
 */
const LOCK = `LOCK TABLE tenants, models, model_names, regions, instance_types, deployments, nodes, routing_configs,
  route_models IN EXCLUSIVE MODE`

export const configHandlers: readonly Handler[] = [
  handle(exportConfig, async (_input, { db }) => documentOf(await readConfig(db, null))),

  handle(importConfig, async ({ body, query: { dry_run, prune } }, context) => {
    const { db } = context
    // A dry run does everything, so that it says no where the import would, and then takes it back.
    if (dry_run) await db.query('SAVEPOINT before_import')
    const sections = await importDocument(db, body, prune)
    if (dry_run) await db.query('ROLLBACK TO SAVEPOINT before_import')
    else {
      const target = { targetType: 'config', targetId: 'config' }
      const after = { prune, ...changesOf(sections) }
      await audit(context, { action: 'config.import', ...target, before: null, after })
    }
    return { dry_run, prune, ...sections }
  }),
]

/** What is stored, as a document. */
function documentOf(state: ConfigState) {
  return {
    version: 1 as const,
    models: documentRows(state.models),
    routes: documentRows(state.routes),
    tenants: documentRows(state.tenants),
    regions: documentRows(state.regions),
    instance_types: documentRows(state.instance_types),
  }
}

async function importDocument(db: Queryable, document: ConfigDocument, prune: boolean) {
  await db.query(LOCK)
  const emails = (document.tenants ?? []).map(NAME_OF.tenants)
  const state = await readConfig(db, emails)
  const places = await importPlaces(db, document, state, prune)
  const models = await importModels(db, document.models, state.models, prune)
  // Routes and allowed models may be of models that are new.
  const then = await readConfig(db, emails)
  const routes = await importRoutes(db, document.routes, then.routes, prune)
  await requireFitRoutes(db, null)
  const tenants = await importTenants(db, document.tenants, then)
  return { models, routes, tenants, ...places }
}

/** What the audit log keeps: which rows stayed as they were is of no interest there. */
function changesOf(sections: Readonly<Record<string, SectionDiff>>) {
  return Object.fromEntries(
    Object.entries(sections).map(([name, { created, updated, deleted }]) => [
      name,
      { created, updated, deleted },
    ]),
  )
}
