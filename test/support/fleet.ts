import assert from 'node:assert/strict'
import { pino } from 'pino'
import { z } from 'zod'
import type { NodeLive } from '../../src/core/snapshot.js'
import { loadQuery } from '../../src/io/postgres.js'
import { rowsOf } from '../../src/io/query.js'
import { readLaunchTemplates } from '../../src/workers/launchers/launch-templates.js'
import type { Launching } from '../../src/workers/launchers/launching.js'
import { createReconciler } from '../../src/workers/orchestration/reconcile-deployments.js'
import { createOrphanWatch } from '../../src/workers/orchestration/remove-orphans.js'
import { tendMachines } from '../../src/workers/orchestration/tend-machines.js'
import { type ContractPort, type JsonValue, modelBody, startContractPort } from './contract-port.js'
import { type ScriptedLauncher, scriptedLauncher } from './scripted-launcher.js'

export const LAUNCH_TIMEOUT_MS = 1_800_000
export const ORPHAN_GRACE_MS = 600_000

const FINISH_TERMINATING = loadQuery('nodes-finish-terminating')

const FleetNode = z.object({
  id: z.string(),
  cluster_name: z.string(),
  status: z.string(),
  generation: z.number(),
  is_asked: z.boolean(),
  is_drained: z.boolean(),
  is_gone: z.boolean(),
  job_id: z.string().nullable(),
  job: z.string().nullable(),
  error: z.string().nullable(),
})
export type FleetNode = z.infer<typeof FleetNode>

export interface Fleet extends AsyncDisposable {
  readonly port: ContractPort
  readonly launcher: ScriptedLauncher
  /** What the leader sees of nodes, by id. */
  readonly live: Map<string, NodeLive>
  readonly newReconciler: () => { look(): Promise<void> }
  readonly orphans: { look(): Promise<void> }
  /** The leader's clock goes on. */
  pass(ms: number): void
  /** The leader looks at the launcher's machines once. */
  tend(): Promise<void>
  /** The leader looks at all deployments once. */
  reconcile(): Promise<void>
  /** Nothing runs on nodes that are terminating, as far as the leader knows. */
  runDry(): Promise<void>
  /** Tells of every machine that is on its way that it serves. */
  comeUp(): void
  /** A deployment of the provider `local`. @returns its path */
  deploy(body?: object): Promise<string>
  /** All nodes, the oldest first. */
  nodes(): Promise<FleetNode[]>
  show(path: string): Promise<JsonValue>
}

/** The admin port and the leader's orchestration on a real database, with a scripted launcher and without a clock of its own. */
export async function startFleet(): Promise<Fleet> {
  const launching: Launching = {
    templates: await readLaunchTemplates(null),
    launcherFor: (provider) => (provider === 'local' ? 'local' : null),
  }
  const port = await startContractPort({ launching })
  const launcher = scriptedLauncher()
  const live = new Map<string, NodeLive>()
  const postgres = port.database.app
  const logger = pino({ level: 'silent' })
  let ahead = 0
  const now = () => Date.now() + ahead
  const record = () => {}
  const newReconciler = () =>
    createReconciler({ postgres, launching, readLive: () => Promise.resolve(live), logger, now })
  const reconciler = newReconciler()
  let addresses = 0
  return {
    port,
    launcher,
    live,
    newReconciler,
    orphans: createOrphanWatch({ postgres, launcher, graceMs: ORPHAN_GRACE_MS, logger, now, record }),
    pass(ms) {
      ahead += ms
    },
    tend: () => tendMachines({ postgres, launcher, launchTimeoutMs: LAUNCH_TIMEOUT_MS, logger, now, record }),
    reconcile: () => reconciler.look(),
    async runDry() {
      const aged =
        "UPDATE nodes SET status_changed_at = now() - interval '1 hour' WHERE status = 'terminating'"
      await postgres.query(aged)
      await postgres.query(FINISH_TERMINATING, [[]])
    },
    comeUp() {
      for (const [name, { state }] of launcher.present) {
        if (state !== 'coming') continue
        launcher.present.set(name, { state: 'up', endpointUrl: `http://10.0.0.${++addresses}:8000` })
      }
    },
    async deploy(body = {}) {
      const model = await port.send('POST', '/admin/models', modelBody())
      const wanted = { model_name: model.body['name'], provider: 'local', engine: 'simulated', ...body }
      const created = await port.send('POST', '/admin/deployments', wanted)
      assert.equal(created.status, 202, JSON.stringify(created.body))
      return `/admin/deployments/${created.body['id']}`
    },
    nodes: () =>
      rowsOf(
        postgres,
        `SELECT n.id, n.cluster_name, n.status, n.generation, n.launch_asked_at IS NOT NULL AS is_asked,
           n.drained_at IS NOT NULL AS is_drained, n.machine_gone_at IS NOT NULL AS is_gone,
           j.id AS job_id, j.status AS job, j.error
         FROM nodes n LEFT JOIN jobs j ON j.node_id = n.id ORDER BY n.id`,
        FleetNode,
      ),
    show: async (path) => (await port.send('GET', path)).body,
    [Symbol.asyncDispose]: () => port[Symbol.asyncDispose](),
  }
}
