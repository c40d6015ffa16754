import { adminPortEndpoints } from '../core/contract/contract.js'
import type { ApiDocuments, ContractReply, ContractTask } from '../core/contract/task.js'
import type { GatewayError } from '../core/errors.js'
import type { ProcessReports } from '../core/process-report.js'
import { mountContract } from '../io/contract-mount.js'
import { mountDocs } from '../io/docs-mount.js'
import type { Logger } from '../io/logger.js'
import { mountNodeAgent } from '../io/node-agent-mount.js'
import { mountPlatformRoutes, type PlatformRoutes } from '../io/platform-routes.js'
import type { HttpApp, HttpCall } from '../io/uws.js'
import { type AdminAuthOptions, createAdminAuth } from './admin-auth.js'
import { createFailedAttempts } from './failed-attempts.js'
import { nodeCaller } from './node-caller.js'
import { createRefusals } from './refusals.js'

export interface AdminPortOptions extends PlatformRoutes, AdminAuthOptions {
  /** Has a worker thread answer a call. */
  readonly runTask: (task: ContractTask) => Promise<ContractReply>
  /** Has one derive the API reference. */
  readonly describe: () => Promise<ApiDocuments>
  /** What the supervisor says of its processes. */
  readonly askProcesses: () => Promise<ProcessReports>
  /** Called after each change: tells the proxies to look at once. */
  readonly afterChange: () => void
  /** Counts callers without a valid token. */
  readonly onAuthFailure: () => void
  readonly logger: Pick<Logger, 'warn'>
  /** Told of failures that the client sees as a 503. */
  readonly onFailure: (error: GatewayError, call: HttpCall) => void
}

/** Mounts all of the admin port: probes and metrics, the API reference, the node agent's script, and the admin API. */
export function mountAdmin(app: HttpApp, options: AdminPortOptions): void {
  const now = () => performance.now()
  mountPlatformRoutes(app, options)
  mountDocs(app, 'admin', options.describe)
  mountNodeAgent(app)
  const adminCaller = createAdminAuth(options)
  mountContract(app, {
    endpoints: adminPortEndpoints,
    authenticate: (call, { auth }) => (auth === 'node' ? nodeCaller(call) : adminCaller(call)),
    refuse: createRefusals({
      attempts: createFailedAttempts(now),
      logger: options.logger,
      onFailure: options.onAuthFailure,
      now,
    }),
    runTask: options.runTask,
    askProcesses: options.askProcesses,
    afterChange: options.afterChange,
    onFailure: options.onFailure,
  })
}
