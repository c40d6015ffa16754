import { made, type Prepare } from '../calls/call.js'
import { modelBody, nodeBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

/** A step in the life of a node that has ended. */
const afterTheEnd =
  (step: string): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const node = await made(port, '/admin/nodes', nodeBody(model['name']))
    const path = `/admin/nodes/${node['cluster_name']}`
    await made(port, `${path}/terminate`, { force: true })
    return { path: `${path}/${step}` }
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
  'nodes.drain': { invalid_state: afterTheEnd('drain') },
  'nodes.undrain': { invalid_state: afterTheEnd('undrain') },
}
