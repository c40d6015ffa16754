import { adminTokensRefusals } from './admin-tokens.js'
import { catalogueRefusals } from './catalogue.js'
import { configRefusals } from './config.js'
import { deploymentsRefusals } from './deployments.js'
import { modelsRefusals } from './models.js'
import { nodesRefusals } from './nodes.js'
import type { Refusals } from './refusal.js'
import { tenantsRefusals } from './tenants.js'

/** The refusals that are peculiar to an endpoint, for every endpoint of the admin port that has some. */
export const allRefusals: Refusals = {
  ...adminTokensRefusals,
  ...catalogueRefusals,
  ...configRefusals,
  ...deploymentsRefusals,
  ...modelsRefusals,
  ...nodesRefusals,
  ...tenantsRefusals,
}
