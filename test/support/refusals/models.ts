import { made, type Prepare } from '../calls/call.js'
import { modelBody, nodeBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

/** A change that takes the name of another model. */
const takenName: Prepare = async (port) => {
  const taken = await made(port, '/admin/models', modelBody())
  const model = await made(port, '/admin/models', modelBody())
  return { path: `/admin/models/${model['id']}`, body: { aliases: [taken['name']] } }
}

/** A model that the route of another one names. */
const namedModel: Prepare = async (port) => {
  const model = await made(port, '/admin/models', modelBody())
  const other = await made(port, '/admin/models', modelBody())
  await port.send('PUT', `/admin/routes/${other['id']}`, { fallback_models: [model['name']] })
  return { path: `/admin/models/${model['id']}` }
}
const otherType: Prepare = async (port) => ({ ...(await namedModel(port)), body: { type: 'embedding' } })

export const modelsRefusals: Refusals = {
  'models.create': {
    already_exists: async (port) => {
      const { name } = await made(port, '/admin/models', modelBody())
      return { path: '/admin/models', body: modelBody({ name }) }
    },
  },
  'models.put': { already_exists: takenName, in_use: otherType },
  'models.patch': { already_exists: takenName, in_use: otherType },
  'models.delete': {
    in_use: async (port) => {
      const model = await made(port, '/admin/models', modelBody())
      await made(port, '/admin/nodes', nodeBody(model['name']))
      return { path: `/admin/models/${model['id']}` }
    },
  },
}
