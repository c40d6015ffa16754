import { adminTokensEndpoints } from './admin-tokens.js'
import { apiKeysEndpoints, ownApiKeysEndpoints } from './api-keys.js'
import { auditLogsEndpoints } from './audit-logs.js'
import { configEndpoints } from './config.js'
import type { DocumentedEndpoint, Endpoint } from './endpoint.js'
import { deploymentsEndpoints } from './deployments.js'
import { discoveryEndpoints } from './endpoints.js'
import { environmentsEndpoints } from './environments.js'
import { inferenceEndpoints } from './inference.js'
import { instanceTypesEndpoints } from './instance-types.js'
import { getLimits } from './limits.js'
import { metricsEndpoints } from './metrics.js'
import { modelsEndpoints } from './models.js'
import { nodeAgentsEndpoints } from './node-agent.js'
import { nodeLaunchEndpoints } from './node-launch.js'
import { nodeLogsEndpoints } from './node-logs.js'
import { nodesEndpoints } from './nodes.js'
import { platformEndpoints } from './platform.js'
import { adminPortPublicEndpoints, bothPortsEndpoints } from './public.js'
import { platformMetricsEndpoints } from './platform-metrics.js'
import { regionsEndpoints } from './regions.js'
import { ownRequestsEndpoints, requestsEndpoints } from './requests.js'
import { routesEndpoints } from './routes.js'
import { tenantUsageEndpoints } from './tenant-usage.js'
import { tenantsEndpoints } from './tenants.js'
import { usageEndpoints } from './usage.js'
import { usageRecordsEndpoints } from './usage-records.js'

/** Every endpoint of the admin port that a worker answers, in the order of the documentation. */
export const adminPortEndpoints: readonly Endpoint[] = [
  ...tenantsEndpoints,
  ...environmentsEndpoints,
  ...apiKeysEndpoints,
  ...modelsEndpoints,
  ...nodesEndpoints,
  ...nodeLogsEndpoints,
  ...nodeLaunchEndpoints,
  ...nodeAgentsEndpoints,
  ...deploymentsEndpoints,
  ...routesEndpoints,
  ...regionsEndpoints,
  ...instanceTypesEndpoints,
  ...requestsEndpoints,
  ...adminTokensEndpoints,
  ...auditLogsEndpoints,
  ...tenantUsageEndpoints,
  ...platformMetricsEndpoints,
  ...platformEndpoints,
  ...configEndpoints,
]

/** Every endpoint of the tenant port that a worker answers. */
export const tenantPortEndpoints: readonly Endpoint[] = [
  ...ownApiKeysEndpoints,
  ...usageEndpoints,
  ...usageRecordsEndpoints,
  ...metricsEndpoints,
  ...ownRequestsEndpoints,
]

/** What the tenant port answers beside inference, for the client: most by a worker, discovery and limits by the data plane. */
export const tenantClientEndpoints: readonly Endpoint[] = [
  ...discoveryEndpoints,
  getLimits,
  ...tenantPortEndpoints,
]

/** Everything that the admin port answers, for its document. */
export const adminPortDocumented: readonly DocumentedEndpoint[] = [
  ...adminPortEndpoints,
  ...adminPortPublicEndpoints,
]

/** Everything that the tenant port answers, for its document. */
export const tenantPortDocumented: readonly DocumentedEndpoint[] = [
  ...inferenceEndpoints,
  ...tenantClientEndpoints,
  ...bothPortsEndpoints,
]
