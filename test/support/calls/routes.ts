import { modelBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (body?: unknown): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    return { path: `/admin/routes/${model['id']}`, body }
  }

export const routesCalls: Calls = {
  'routes.list': () => Promise.resolve({ path: '/admin/routes' }),
  'routes.get': one(),
  'routes.put': one({ strategy: 'weighted' }),
}
