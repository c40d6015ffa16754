import { heartbeatAgent, registerAgent, warnOfTermination } from '../../core/contract/node-agent.js'
import { normalNodeUrl } from '../../core/node-url.js'
import { loadQuery } from '../../io/postgres.js'
import { actorName } from '../audit.js'
import { handle, type Handler, type HandlerContext } from './handler.js'
import { auditNodeChange, type NodeRow, type NodeStatus, requireStatus, theNode } from './node-rows.js'

const LOCK = loadQuery('node-agent-lock')
const REGISTER = loadQuery('node-agent-register')
const HEARTBEAT = loadQuery('node-agent-heartbeat')
const WARN = loadQuery('node-agent-warn')

/** States in which there is a machine that may speak of itself. */
const PRESENT: readonly NodeStatus[] = ['launching', 'active', 'draining', 'unhealthy', 'terminating']

/** The caller's node, its row locked; it exists, or the caller would not have been let in. */
async function lockOwn({ db }: HandlerContext, id: string): Promise<NodeRow> {
  await db.query(LOCK, [id])
  const node = await theNode(db, id)
  requireStatus(node, PRESENT)
  return node
}

function shownToAgent({ id, cluster_name, status }: NodeRow) {
  return { id, cluster_name, status }
}

export const nodeAgentsHandlers: readonly Handler[] = [
  handle(registerAgent, async ({ params, body }, context) => {
    const node = await lockOwn(context, params.id)
    requireStatus(node, ['launching', 'active', 'draining', 'unhealthy'])
    const url = normalNodeUrl(body.endpoint_url)
    // One that was warned before it could serve is not to begin.
    const serving = node.terminates_at === null ? 'active' : 'draining'
    const status = node.status === 'launching' ? serving : node.status
    const what = body.engine_version === null ? url : `${url}, ${node.engine} ${body.engine_version}`
    const who = actorName(context.actor)
    await context.db.query(REGISTER, [node.id, url, body.engine_version, status, who, what])
    return shownToAgent(await auditNodeChange(context, 'node.agent-register', node))
  }),

  handle(heartbeatAgent, async ({ params, body }, { db, now }) => {
    // Its row is not locked: a heartbeat waits for nobody.
    const node = await theNode(db, params.id)
    requireStatus(node, PRESENT)
    await db.query(HEARTBEAT, [
      node.id,
      now,
      body.running,
      body.waiting,
      body.kv_cache_usage,
      body.gpu_utilization,
      body.gpu_memory_used_gb,
    ])
    return shownToAgent(node)
  }),

  handle(warnOfTermination, async ({ params, body: { reason, deadline_seconds: deadline } }, context) => {
    const node = await lockOwn(context, params.id)
    const serves = node.status === 'active' || node.status === 'unhealthy'
    const status = serves ? 'draining' : node.status
    const until = deadline === null ? null : new Date(context.now.getTime() + deadline * 1000)
    const why = deadline === null ? reason : `${reason}, in ${deadline} s`
    await context.db.query(WARN, [node.id, status, until, actorName(context.actor), why])
    return shownToAgent(await auditNodeChange(context, 'node.termination-warning', node))
  }),
]
