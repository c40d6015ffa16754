import { launchedNode } from '../launched-node.js'
import type { Calls, Prepare } from './call.js'

const one =
  (rest: string, body?: unknown): Prepare =>
  async (port) => {
    const { id, headers } = await launchedNode(port)
    return { path: `/admin/nodes/${id}${rest}`, body, headers, actor: `node:${id}` }
  }

export const nodeAgentsCalls: Calls = {
  'node-agents.register': one('/register', { endpoint_url: 'http://127.0.0.1:8000' }),
  'node-agents.heartbeat': one('/heartbeat', { running: 3 }),
  'node-agents.termination-warning': one('/termination-warning', { reason: 'spot' }),
}
