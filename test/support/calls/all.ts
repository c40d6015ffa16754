import assert from 'node:assert/strict'
import type { Endpoint } from '../../../src/core/contract/endpoint.js'
import type { ContractPort } from '../contract-port.js'
import { adminTokensCalls } from './admin-tokens.js'
import { apiKeysCalls } from './api-keys.js'
import { auditLogsCalls } from './audit-logs.js'
import type { Call, Calls } from './call.js'
import { configCalls } from './config.js'
import { deploymentsCalls } from './deployments.js'
import { modelsCalls } from './models.js'
import { nodeAgentsCalls } from './node-agents.js'
import { nodesCalls } from './nodes.js'
import { platformCalls } from './platform.js'
import { regionsCalls } from './regions.js'
import { requestsCalls } from './requests.js'
import { routesCalls } from './routes.js'
import { tenantsCalls } from './tenants.js'

/** A call that succeeds, for every endpoint of the admin port and every change on the tenant port. */
export const allCalls: Calls = {
  ...modelsCalls,
  ...nodesCalls,
  ...nodeAgentsCalls,
  ...deploymentsCalls,
  ...routesCalls,
  ...regionsCalls,
  ...tenantsCalls,
  ...apiKeysCalls,
  ...adminTokensCalls,
  ...auditLogsCalls,
  ...platformCalls,
  ...configCalls,
  ...requestsCalls,
}

/** Prepares a call of an endpoint that succeeds. */
export function callOf(port: ContractPort, { id }: Pick<Endpoint, 'id'>): Promise<Call> {
  const prepared = allCalls[id]?.(port)
  assert.ok(prepared, `test/support/calls has no call of ${id}`)
  return prepared
}
