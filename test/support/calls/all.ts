import type { Calls } from './call.js'
import { deploymentsCalls } from './deployments.js'
import { modelsCalls } from './models.js'
import { nodeAgentsCalls } from './node-agents.js'
import { nodesCalls } from './nodes.js'
import { routesCalls } from './routes.js'
import { tenantsCalls } from './tenants.js'

/** A call that succeeds, for every endpoint of the admin port. */
export const allCalls: Calls = {
  ...modelsCalls,
  ...nodesCalls,
  ...nodeAgentsCalls,
  ...deploymentsCalls,
  ...routesCalls,
  ...tenantsCalls,
}
