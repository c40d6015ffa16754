import { apiKeysHandlers } from './api-keys.js'
import { configHandlers } from './config.js'
import { environmentsHandlers } from './environments.js'
import type { Handler } from './handler.js'
import { instanceTypesHandlers } from './instance-types.js'
import { modelsHandlers } from './models.js'
import { nodesHandlers } from './nodes.js'
import { regionsHandlers } from './regions.js'
import { routesHandlers } from './routes.js'
import { tenantsHandlers } from './tenants.js'
import { usageHandlers } from './usage.js'

/** The handlers of every endpoint of the contract, on either port. */
export const allHandlers: readonly Handler[] = [
  ...tenantsHandlers,
  ...environmentsHandlers,
  ...apiKeysHandlers,
  ...modelsHandlers,
  ...nodesHandlers,
  ...routesHandlers,
  ...regionsHandlers,
  ...instanceTypesHandlers,
  ...configHandlers,
  ...usageHandlers,
]
