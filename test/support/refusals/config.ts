import { made } from '../calls/call.js'
import { modelBody, nodeBody, regionBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

const path = '/admin/config/import'

export const configRefusals: Refusals = {
  'config.import': {
    not_found: () =>
      Promise.resolve({
        path,
        body: { version: 1, routes: [{ model: 'no-such-model', strategy: 'weighted' }] },
      }),
    already_exists: async (port) => {
      const taken = await made(port, '/admin/models', modelBody())
      return { path, body: { version: 1, models: [modelBody({ aliases: [taken['name']] })] } }
    },
    in_use: async (port) => {
      const region = regionBody()
      await made(port, '/admin/regions', region)
      const model = await made(port, '/admin/models', modelBody())
      const { provider, code } = region
      await made(port, '/admin/nodes', nodeBody(model['name'], { provider, region: code }))
      return { path: `${path}?prune=true`, body: { version: 1, regions: [] } }
    },
  },
}
