import { uuidv7 } from 'uuidv7'
import { made, type Prepare } from '../calls/call.js'
import { instanceTypeBody, modelBody, nodeBody, regionBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

const takenCode: Prepare = async (port) => {
  const taken = await made(port, '/admin/regions', regionBody())
  const region = await made(port, '/admin/regions', regionBody())
  return { path: `/admin/regions/${region['id']}`, body: { code: taken['code'] } }
}

const usedRegion: Prepare = async (port) => {
  const region = await made(port, '/admin/regions', regionBody())
  const model = await made(port, '/admin/models', modelBody())
  await made(
    port,
    '/admin/nodes',
    nodeBody(model['name'], { provider: 'acme-cloud', region: region['code'] }),
  )
  return { path: `/admin/regions/${region['id']}` }
}

const takenName: Prepare = async (port) => {
  const taken = await made(port, '/admin/instance-types', instanceTypeBody())
  const type = await made(port, '/admin/instance-types', instanceTypeBody())
  return { path: `/admin/instance-types/${type['id']}`, body: { name: taken['name'] } }
}

const usedType: Prepare = async (port) => {
  const type = await made(port, '/admin/instance-types', instanceTypeBody())
  const model = await made(port, '/admin/models', modelBody())
  await port.database.postgres.query(
    `INSERT INTO deployments (id, model_id, provider, instance_type_id, target_node_count, status)
     VALUES ($1, $2, 'acme-cloud', $3, 0, 'paused')`,
    [uuidv7(), model['id'], type['id']],
  )
  return { path: `/admin/instance-types/${type['id']}` }
}

const moved =
  (prepare: Prepare): Prepare =>
  async (port) => ({ ...(await prepare(port)), body: { provider: 'elsewhere' } })

export const catalogueRefusals: Refusals = {
  'regions.create': {
    already_exists: async (port) => {
      const body = regionBody()
      await made(port, '/admin/regions', body)
      return { path: '/admin/regions', body }
    },
  },
  'regions.put': { already_exists: takenCode, in_use: moved(usedRegion) },
  'regions.patch': { already_exists: takenCode, in_use: moved(usedRegion) },
  'regions.delete': { in_use: usedRegion },
  'instance-types.create': {
    already_exists: async (port) => {
      const body = instanceTypeBody()
      await made(port, '/admin/instance-types', body)
      return { path: '/admin/instance-types', body }
    },
    not_found: () =>
      Promise.resolve({ path: '/admin/instance-types', body: instanceTypeBody({ regions: ['nowhere'] }) }),
  },
  'instance-types.put': { already_exists: takenName, in_use: moved(usedType) },
  'instance-types.patch': { already_exists: takenName, in_use: moved(usedType) },
  'instance-types.delete': { in_use: usedType },
}
