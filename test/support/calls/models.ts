import { modelBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (body?: unknown): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    return { path: `/admin/models/${model['id']}`, body }
  }

export const modelsCalls: Calls = {
  'models.list': () => Promise.resolve({ path: '/admin/models' }),
  'models.create': () => Promise.resolve({ path: '/admin/models', body: modelBody() }),
  'models.get': one(),
  'models.put': one({ family: 'qwen' }),
  'models.patch': one({ price_input_per_million: 0.2 }),
  'models.delete': one(),
}
