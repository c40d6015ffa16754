import { createHash, randomBytes } from 'node:crypto'
import type { Queryable } from '../../src/io/query.js'
import { type ContractPort, modelBody } from './contract-port.js'

export interface LaunchedNode {
  readonly id: string
  readonly name: string
  /** With the token of its agent. */
  readonly headers: Record<string, string>
}

let sequence = 0

/** A node that is being launched, as a launcher leaves it: with the digest of a token and without an address. */
export async function launchedNode(
  port: ContractPort,
  { modelId, deploymentId = null }: { modelId?: string | undefined; deploymentId?: string | null } = {},
): Promise<LaunchedNode> {
  const model = modelId ?? (await port.send('POST', '/admin/models', modelBody())).body['id'] ?? ''
  return insertLaunchedNode(port.database.postgres, model, deploymentId)
}

/** The same, of a model in a database. */
export async function insertLaunchedNode(
  postgres: Queryable,
  model: string,
  deploymentId: string | null = null,
): Promise<LaunchedNode> {
  const id = crypto.randomUUID()
  const name = `launched-${++sequence}`
  const token = randomBytes(32).toString('base64url')
  await postgres.query(
    `INSERT INTO nodes (id, cluster_name, model_id, deployment_id, provider, upstream_model, engine, status, token_digest)
     VALUES ($1, $2, $3, $4, 'local', 'm', 'simulated', 'launching', $5)`,
    [id, name, model, deploymentId, createHash('sha256').update(token).digest()],
  )
  return { id, name, headers: { authorization: `Bearer ${token}` } }
}
