import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { AutoScaling } from '../../core/contract/deployments.js'
import type { ModelView } from '../../core/load-book.js'
import { NODE_STATUSES } from '../../core/node-status.js'
import { scalingPolicy, scalingView } from '../../core/orchestration/scaling-view.js'
import { decideScaling, type ScalingDecision } from '../../core/scaling/decide.js'
import { readScalingState, type ScalingState } from '../../core/scaling/state.js'
import type { NodeLive } from '../../core/snapshot.js'
import { loadQuery, transaction } from '../../io/postgres.js'
import { rowOf, rowsOf } from '../../io/query.js'

const SCALED = loadQuery('deployments-scaled')
const NOTE = loadQuery('deployments-scaling-note')
const SCALE = loadQuery('deployments-scale')
const AUDIT = loadQuery('audit-insert')

const Row = z.object({
  id: z.string(),
  model_id: z.string(),
  wanted: z.number(),
  asleep: z.boolean(),
  auto_scaling: AutoScaling,
  scaling: z.unknown(),
  max_depth: z.number(),
  cold_start_max_wait_ms: z.number(),
  nodes: z.array(z.object({ id: z.string(), status: z.enum(NODE_STATUSES) })),
})
type Row = z.infer<typeof Row>

export interface ScaleDeploymentsOptions {
  readonly postgres: Pool
  /** What is seen of nodes now, by id. */
  readonly readLive: () => Promise<ReadonlyMap<string, NodeLive>>
  /** What proxies tell of a model; null: nothing lately. */
  readonly demand: (modelId: string) => ModelView | null
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  readonly onDecision: (decision: ScalingDecision) => void
}

/**
 * What is remembered between two changes is written down this often: a leader that takes over has missed no more, which the
 * autoscaler allows for.
 */
const NOTE_MS = 10_000

/** Decides how many nodes deployments with automatic scaling have: see docs/autoscaling.md. */
export function createAutoscaler({
  postgres,
  readLive,
  demand,
  logger,
  now,
  onDecision,
}: ScaleDeploymentsOptions) {
  const states = new Map<string, { readonly state: ScalingState; readonly notedAt: number }>()

  async function change(row: Row, decision: ScalingDecision, state: ScalingState): Promise<boolean> {
    const { id, wanted } = row
    const asleep = decision.nodes === 0
    const changed = await transaction(postgres, async (db) => {
      const values = [
        id,
        decision.nodes,
        asleep,
        JSON.stringify(state),
        wanted,
        JSON.stringify(row.auto_scaling),
      ]
      if ((await rowOf(db, SCALE, z.object({ id: z.string() }), values)) === null) return false
      const before = { node_count: wanted }
      const after = { node_count: decision.nodes, asleep, reason: decision.reason }
      await db.query(AUDIT, [
        uuidv7(),
        'autoscaler',
        'deployment.scale',
        'deployment',
        id,
        null,
        JSON.stringify(before),
        JSON.stringify(after),
        '',
        '',
      ])
      return true
    })
    if (changed) {
      onDecision(decision)
      logger.info({
        event: 'deployment_scaled',
        deployment: id,
        from: wanted,
        to: decision.nodes,
        reason: decision.reason,
      })
    }
    return changed
  }

  async function lookAt(row: Row, rows: readonly Row[], live: ReadonlyMap<string, NodeLive>): Promise<void> {
    const { id, model_id: modelId, wanted, nodes, auto_scaling: scaling } = row
    const nowMs = now()
    const known = states.get(id)
    const before = known?.state ?? readScalingState(row.scaling)
    const scaled = rows
      .filter((other) => other.model_id === modelId && (other === row || hasRoom(other)))
      .map((other) => ({
        id: other.id,
        nodes: other.nodes.filter(({ status }) => isPresent(status)).length,
      }))
    const view = scalingView({ nowMs, id, wanted, nodes, live, model: demand(modelId), scaled })
    // Nobody is held for a launch where the room for that is closed.
    const maxDepth = row.cold_start_max_wait_ms === 0 ? 0 : row.max_depth
    const { decision, state } = decideScaling(scalingPolicy(scaling, { maxDepth }), view, before)
    if (decision.kind !== 'hold') {
      if (await change(row, decision, state)) states.set(id, { state, notedAt: nowMs })
      else states.delete(id)
      return
    }
    const isDue = known === undefined || nowMs - known.notedAt >= NOTE_MS
    states.set(id, { state, notedAt: isDue ? nowMs : known.notedAt })
    if (isDue) await postgres.query(NOTE, [id, JSON.stringify(state), wanted])
  }

  return {
    /** Looks once at each. @throws when Postgres does not answer */
    async look(): Promise<void> {
      const rows = await rowsOf(postgres, SCALED, Row)
      const live = await readLive()
      for (const id of states.keys()) if (!rows.some((row) => row.id === id)) states.delete(id)
      const failures: unknown[] = []
      for (const row of rows) {
        // One that cannot be scaled holds up none of the others.
        await lookAt(row, rows, live).catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}

/** Whether it may have more nodes: what waits is of no use to one that may not. */
function hasRoom({ wanted, auto_scaling: { max_nodes: most } }: Row): boolean {
  return wanted < most
}

function isPresent(status: Row['nodes'][number]['status']): boolean {
  return status === 'active' || status === 'launching'
}
