import { type Calls, made, type Prepare } from './call.js'

let sequence = 0

/** A region's create body; its code is unique in this process. */
export function regionBody(changes: object = {}): Record<string, unknown> {
  return { provider: 'acme', code: `region-${++sequence}`, name: 'Somewhere', ...changes }
}

/** An instance type's create body; its name is unique in this process. */
export function instanceTypeBody(changes: object = {}): Record<string, unknown> {
  return { provider: 'acme', name: `gpu.${++sequence}x`, vcpus: 8, memory_gb: 64, ...changes }
}

const region =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const found = await made(port, '/admin/regions', regionBody())
    return { path: `/admin/regions/${found['id']}${rest}`, body }
  }

const instanceType =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const type = await made(port, '/admin/instance-types', instanceTypeBody())
    return { path: `/admin/instance-types/${type['id']}${rest}`, body }
  }

export const catalogueCalls: Calls = {
  'regions.list': () => Promise.resolve({ path: '/admin/regions' }),
  'regions.create': () => Promise.resolve({ path: '/admin/regions', body: regionBody() }),
  'regions.get': region(),
  'regions.put': region('', { name: 'Elsewhere' }),
  'regions.patch': region('', { price_multiplier: 1.2 }),
  'regions.delete': region(),
  'regions.availability': region('/availability'),
  'instance-types.list': () => Promise.resolve({ path: '/admin/instance-types' }),
  'instance-types.create': () => Promise.resolve({ path: '/admin/instance-types', body: instanceTypeBody() }),
  'instance-types.get': instanceType(),
  'instance-types.put': instanceType('', { vcpus: 16 }),
  'instance-types.patch': instanceType('', { price_per_hour: 2.5, price_as_of: '2026-01-31' }),
  'instance-types.delete': instanceType(),
  'instance-types.pricing': instanceType('/pricing'),
}
