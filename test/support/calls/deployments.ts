import { deploymentBody, modelBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const deployment = await made(port, '/admin/deployments', deploymentBody(model['name']))
    return { path: `/admin/deployments/${deployment['id']}${rest}`, body }
  }

export const deploymentsCalls: Calls = {
  'deployments.list': () => Promise.resolve({ path: '/admin/deployments' }),
  'deployments.create': async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    return { path: '/admin/deployments', body: deploymentBody(model['name']) }
  },
  'deployments.get': one(),
  'deployments.patch': one('', { disk_size_gb: 200 }),
  'deployments.scale': one('/scale', { target_node_count: 0 }),
  'deployments.delete': one(),
}
