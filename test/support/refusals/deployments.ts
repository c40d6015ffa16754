import { made, type Prepare } from '../calls/call.js'
import { deploymentBody, modelBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

/** A creation of a deployment, with other fields than one that succeeds. */
const create =
  (changes: object): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    return { path: '/admin/deployments', body: deploymentBody(model['name'], changes) }
  }

/** A change of a deployment, or of one that was deleted before. */
const change =
  (body: object, { rest = '', deleted }: { rest?: string; deleted: boolean }): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const deployment = await made(port, '/admin/deployments', deploymentBody(model['name']))
    const path = `/admin/deployments/${deployment['id']}`
    if (deleted) await port.send('DELETE', path)
    return { path: path + rest, body }
  }

export const deploymentsRefusals: Refusals = {
  'deployments.create': {
    not_found: create({ region: 'nowhere' }),
    invalid_parameter: create({ provider: 'aws', instance_type: 'g5.xlarge', gpu_type: 'H100' }),
    launcher_not_configured: create({ node_count: 1 }),
  },
  'deployments.patch': {
    invalid_state: change({ disk_size_gb: 200 }, { deleted: true }),
    not_found: change({ instance_type: 'no-such-type' }, { deleted: false }),
    invalid_parameter: change({ use_spot: true }, { deleted: false }),
  },
  'deployments.scale': {
    invalid_state: change({ target_node_count: 0 }, { rest: '/scale', deleted: true }),
    invalid_parameter: change({ target_node_count: -1 }, { rest: '/scale', deleted: false }),
    launcher_not_configured: change({ target_node_count: 1 }, { rest: '/scale', deleted: false }),
  },
}
