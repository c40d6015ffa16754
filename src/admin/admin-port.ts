import { adminPortEndpoints } from '../core/contract/contract.js'
import type { ContractReply, ContractTask } from '../core/contract/task.js'
import type { GatewayError } from '../core/errors.js'
import { mountContract } from '../io/contract-mount.js'
import { mountDocs } from '../io/docs-mount.js'
import { mountPlatformRoutes, type PlatformRoutes } from '../io/platform-routes.js'
import type { HttpApp, HttpCall } from '../io/uws.js'
import { createAdminAuth } from './admin-auth.js'
import { nodeCaller } from './node-caller.js'

export interface AdminPortOptions extends PlatformRoutes {
  /** The root token. */
  readonly adminToken: string
  /** Has a worker thread answer a call. */
  readonly runTask: (task: ContractTask) => Promise<ContractReply>
  /** Called after each change: tells the proxies to look at once. */
  readonly afterChange: () => void
  /** Told of failures that the client sees as a 503. */
  readonly onFailure: (error: GatewayError, call: HttpCall) => void
}

/** Mounts all of the admin port: probes and metrics, the API reference, and the admin API. */
export function mountAdmin(app: HttpApp, options: AdminPortOptions): void {
  mountPlatformRoutes(app, options)
  mountDocs(app, 'admin')
  const adminCaller = createAdminAuth(options.adminToken)
  mountContract(app, {
    endpoints: adminPortEndpoints,
    authenticate: (call, { auth }) => (auth === 'node' ? nodeCaller(call) : adminCaller(call)),
    runTask: options.runTask,
    afterChange: options.afterChange,
    onFailure: options.onFailure,
  })
}
