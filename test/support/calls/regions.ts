import { instanceTypeBody, regionBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const region =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const { id } = await made(port, '/admin/regions', regionBody())
    return { path: `/admin/regions/${id}${rest}`, body }
  }

const instanceType =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const { id } = await made(port, '/admin/instance-types', instanceTypeBody())
    return { path: `/admin/instance-types/${id}${rest}`, body }
  }

export const regionsCalls: Calls = {
  'regions.list': () => Promise.resolve({ path: '/admin/regions' }),
  'regions.create': () => Promise.resolve({ path: '/admin/regions', body: regionBody() }),
  'regions.get': region(),
  'regions.put': region('', { name: 'Elsewhere' }),
  'regions.patch': region('', { price_multiplier: 1.25 }),
  'regions.delete': region(),
  'regions.availability': region('/availability'),
  'instance-types.list': () => Promise.resolve({ path: '/admin/instance-types' }),
  'instance-types.create': () => Promise.resolve({ path: '/admin/instance-types', body: instanceTypeBody() }),
  'instance-types.get': instanceType(),
  'instance-types.put': instanceType('', { price_on_demand_per_hour: 3 }),
  'instance-types.patch': instanceType('', { gpu_count: 4 }),
  'instance-types.delete': instanceType(),
  'instance-types.pricing': instanceType('/pricing'),
}
