import type { Calls } from './call.js'
import { configCalls } from './config.js'
import { modelsCalls } from './models.js'
import { nodesCalls } from './nodes.js'
import { regionsCalls } from './regions.js'
import { routesCalls } from './routes.js'
import { tenantsCalls } from './tenants.js'

/** A call that succeeds, for every endpoint of the admin port. */
export const allCalls: Calls = {
  ...configCalls,
  ...modelsCalls,
  ...nodesCalls,
  ...regionsCalls,
  ...routesCalls,
  ...tenantsCalls,
}
