import { made, type Prepare } from '../calls/call.js'
import { modelBody, nodeBody } from '../contract-port.js'
import { launchedNode } from '../launched-node.js'
import type { Refusals } from './refusal.js'

/** A call for a node that has ended. */
const afterTheEnd =
  (rest: string, body?: unknown): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const node = await made(port, '/admin/nodes', nodeBody(model['name']))
    const path = `/admin/nodes/${node['cluster_name']}`
    await made(port, `${path}/terminate`, { force: true })
    return { path: path + rest, body }
  }

/** What the agent of a node that has ended says. */
const agentAfterTheEnd =
  (verb: string, body: unknown): Prepare =>
  async (port) => {
    const { id, name, headers } = await launchedNode(port)
    await made(port, `/admin/nodes/${name}/terminate`, { force: true })
    return { path: `/admin/nodes/${id}/${verb}`, body, headers }
  }

export const nodesRefusals: Refusals = {
  'nodes.register': {
    already_exists: async (port) => {
      const model = await made(port, '/admin/models', modelBody())
      const body = nodeBody(model['name'])
      await made(port, '/admin/nodes', body)
      return { path: '/admin/nodes', body }
    },
    not_found: () => Promise.resolve({ path: '/admin/nodes', body: nodeBody('no-such-model') }),
  },
  'nodes.patch': { invalid_state: afterTheEnd('', { weight: 2 }) },
  'nodes.launch': {
    not_found: () =>
      Promise.resolve({
        path: '/admin/nodes/launch',
        body: { model_name: 'no-such-model', provider: 'local', engine: 'simulated' },
      }),
    invalid_parameter: async (port) => {
      const model = await made(port, '/admin/models', modelBody({ vram_required_gb: 1000 }))
      const body = { model_name: model['name'], provider: 'aws', instance_type: 'g5.xlarge' }
      return { path: '/admin/nodes/launch', body }
    },
    launcher_not_configured: async (port) => {
      const model = await made(port, '/admin/models', modelBody())
      const body = { model_name: model['name'], provider: 'local', engine: 'simulated' }
      return { path: '/admin/nodes/launch', body }
    },
  },
  'nodes.launch-status': {
    not_found: () => Promise.resolve({ path: `/admin/nodes/launch-status?job_id=${crypto.randomUUID()}` }),
  },
  'nodes.drain': { invalid_state: afterTheEnd('/drain') },
  'nodes.undrain': { invalid_state: afterTheEnd('/undrain') },
  'node-agents.register': {
    invalid_state: agentAfterTheEnd('register', { endpoint_url: 'http://127.0.0.1:8000' }),
  },
  'node-agents.heartbeat': { invalid_state: agentAfterTheEnd('heartbeat', {}) },
  'node-agents.termination-warning': {
    invalid_state: agentAfterTheEnd('termination-warning', { reason: 'spot' }),
  },
}
