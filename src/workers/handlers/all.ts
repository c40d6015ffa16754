import { adminTokensHandlers } from './admin-tokens.js'
import { apiKeysHandlers } from './api-keys.js'
import { auditLogsHandlers } from './audit-logs.js'
import { configHandlers } from './config.js'
import { deploymentsHandlers } from './deployments.js'
import { environmentsHandlers } from './environments.js'
import type { Handler } from './handler.js'
import { instanceTypesHandlers } from './instance-types.js'
import { metricsHandlers } from './metrics.js'
import { modelsHandlers } from './models.js'
import { nodeAgentsHandlers } from './node-agent.js'
import { nodeLaunchHandlers } from './node-launch.js'
import { nodeLogsHandlers } from './node-logs.js'
import { nodesHandlers } from './nodes.js'
import { ownApiKeysHandlers } from './own-api-keys.js'
import { platformMetricsHandlers } from './platform-metrics.js'
import { platformHealthHandlers } from './platform-health.js'
import { regionsHandlers } from './regions.js'
import { requestsHandlers } from './requests.js'
import { routesHandlers } from './routes.js'
import { tenantUsageHandlers } from './tenant-usage.js'
import { tenantsHandlers } from './tenants.js'
import { usageHandlers } from './usage.js'
import { usageExportHandlers } from './usage-export.js'
import { ownUsageRecordsHandlers } from './usage-own-records.js'

/** The handlers of every endpoint of the contract, on either port. */
export const allHandlers: readonly Handler[] = [
  ...tenantsHandlers,
  ...environmentsHandlers,
  ...apiKeysHandlers,
  ...modelsHandlers,
  ...nodesHandlers,
  ...nodeLogsHandlers,
  ...nodeLaunchHandlers,
  ...nodeAgentsHandlers,
  ...deploymentsHandlers,
  ...routesHandlers,
  ...regionsHandlers,
  ...instanceTypesHandlers,
  ...adminTokensHandlers,
  ...auditLogsHandlers,
  ...platformHealthHandlers,
  ...configHandlers,
  ...ownApiKeysHandlers,
  ...usageHandlers,
  ...ownUsageRecordsHandlers,
  ...usageExportHandlers,
  ...metricsHandlers,
  ...tenantUsageHandlers,
  ...platformMetricsHandlers,
  ...requestsHandlers,
]
