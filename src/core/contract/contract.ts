import { apiKeysEndpoints } from './api-keys.js'
import type { Endpoint } from './endpoint.js'
import { environmentsEndpoints } from './environments.js'
import { modelsEndpoints } from './models.js'
import { nodesEndpoints } from './nodes.js'
import { routesEndpoints } from './routes.js'
import { tenantsEndpoints } from './tenants.js'

/** Every endpoint of the admin port that a worker answers, in the order of the documentation. */
export const adminPortEndpoints: readonly Endpoint[] = [
  ...tenantsEndpoints,
  ...environmentsEndpoints,
  ...apiKeysEndpoints,
  ...modelsEndpoints,
  ...nodesEndpoints,
  ...routesEndpoints,
]

/** Every endpoint of the tenant port that a worker answers. */
export const tenantPortEndpoints: readonly Endpoint[] = []
