import { made, type Prepare } from '../calls/call.js'
import { modelBody, nodeBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

/** A change that takes the name of another model. */
const takenName: Prepare = async (port) => {
  const taken = await made(port, '/admin/models', modelBody())
  const model = await made(port, '/admin/models', modelBody())
  return { path: `/admin/models/${model['id']}`, body: { aliases: [taken['name']] } }
}

export const modelsRefusals: Refusals = {
  'models.create': {
    already_exists: async (port) => {
      const { name } = await made(port, '/admin/models', modelBody())
      return { path: '/admin/models', body: modelBody({ name }) }
    },
  },
  'models.put': { already_exists: takenName },
  'models.patch': { already_exists: takenName },
  'models.delete': {
    in_use: async (port) => {
      const model = await made(port, '/admin/models', modelBody())
      await made(port, '/admin/nodes', nodeBody(model['name']))
      return { path: `/admin/models/${model['id']}` }
    },
  },
}
