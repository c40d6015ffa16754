import { modelBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one: Prepare = async (port) => {
  const model = await made(port, '/admin/models', modelBody())
  return { path: `/admin/routes/${model['id']}` }
}

/** With every kind of other model, so that the reply shows some. */
const changed: Prepare = async (port) => {
  const { name } = await made(port, '/admin/models', modelBody())
  const share = { model: name, percent: 2.5 }
  const body = { strategy: 'weighted', fallback_models: [name], mirror: share, split: [share] }
  return { ...(await one(port)), body }
}

export const routesCalls: Calls = {
  'routes.list': () => Promise.resolve({ path: '/admin/routes' }),
  'routes.get': one,
  'routes.put': changed,
}
