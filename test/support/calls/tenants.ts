import { tenantBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const created = await made(port, '/admin/tenants', tenantBody())
    return { path: `/admin/tenants/${created['tenant']?.['id']}${rest}`, body }
  }

const ofOne =
  (collection: string, fields: object, body?: unknown): Prepare =>
  async (port) => {
    const { path } = await one(collection)(port)
    const row = await made(port, path, fields)
    return { path: `${path}/${row['id']}`, body }
  }

export const tenantsCalls: Calls = {
  'tenants.list': () => Promise.resolve({ path: '/admin/tenants' }),
  'tenants.create': () => Promise.resolve({ path: '/admin/tenants', body: tenantBody() }),
  'tenants.get': one(),
  'tenants.put': one('', { name: 'Other' }),
  'tenants.patch': one('', { tier: 'starter' }),
  'tenants.delete': one(),
  'tenants.suspend': one('/suspend'),
  'tenants.activate': async (port) => {
    const { path } = await one()(port)
    await made(port, `${path}/suspend`, {})
    return { path: `${path}/activate` }
  },
  'environments.list': one('/environments'),
  'environments.create': one('/environments', { name: 'staging' }),
  'tenant-api-keys.list': one('/api-keys'),
  'tenant-api-keys.create': one('/api-keys', { name: 'ci' }),
  'environments.get': ofOne('/environments', { name: 'staging' }),
  'environments.patch': ofOne('/environments', { name: 'staging' }, { name: 'test', max_concurrency: 5 }),
  'environments.delete': ofOne('/environments', { name: 'staging' }),
  'tenant-api-keys.get': ofOne('/api-keys', { name: 'ci' }),
  'tenant-api-keys.patch': ofOne('/api-keys', { name: 'ci' }, { name: 'cd', tokens_per_minute: 1000 }),
  'tenant-api-keys.rotate': async (port) => {
    const { path } = await ofOne('/api-keys', { name: 'ci' })(port)
    return { path: `${path}/rotate`, body: { overlap_seconds: 60 } }
  },
  'tenant-api-keys.delete': ofOne('/api-keys', { name: 'ci' }),
  'tenant-usage.get': one('/usage'),
  'tenant-usage.detailed': one('/usage/detailed'),
  'tenant-usage.by-tenant': async (port) => {
    const { path } = await one()(port)
    return { path: path.replace('/tenants/', '/usage/') }
  },
  'platform.metrics': () => Promise.resolve({ path: '/admin/platform/metrics' }),
}
