import type { Queryable } from '../../src/io/query.js'

/** A node as it is written when its machine was asked for some time ago. */
export interface CostingNode {
  readonly modelId: string
  readonly launcher?: 'static' | 'local' | 'skypilot'
  readonly status?: string
  readonly deploymentId?: string | null
  readonly instanceTypeId?: string | null
  readonly region?: string | null
  /** Of a launched one's machine. */
  readonly machine?: { readonly market: 'spot' | 'on_demand'; readonly regions: readonly string[] }
  readonly priceMicros: number | null
  /** When its row was written; a launched one's machine was asked for then. */
  readonly since: Date
  /** When it ended; null: it has not. */
  readonly until?: Date | null
}

let sequence = 0

/** Inserts a node. @returns its id and name */
export async function insertCostingNode(
  postgres: Queryable,
  {
    modelId,
    launcher = 'static',
    until = null,
    status = until === null ? 'active' : 'terminated',
    deploymentId = null,
    instanceTypeId = null,
    region = null,
    machine = { market: 'on_demand', regions: [] },
    priceMicros,
    since,
  }: CostingNode,
): Promise<{ id: string; name: string }> {
  const id = crypto.randomUUID()
  const name = `costing-${++sequence}`
  const launched = launcher !== 'static'
  await postgres.query(
    `INSERT INTO nodes (id, cluster_name, model_id, deployment_id, provider, region, instance_type_id, endpoint_url,
       upstream_model, engine, price_per_hour_micros, status, status_changed_at, created_at, launcher, machine,
       launch_asked_at, machine_gone_at)
     VALUES ($1, $2, $3, $4, 'aws', $5, $6, 'http://127.0.0.1:1', 'm', 'vllm', $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      id,
      name,
      modelId,
      deploymentId,
      region,
      instanceTypeId,
      priceMicros,
      status,
      until ?? since,
      since,
      launcher,
      launched ? JSON.stringify(machine) : null,
      launched ? since : null,
      launched ? until : null,
    ],
  )
  return { id, name }
}
