import { tenantBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const created = await made(port, '/admin/tenants', tenantBody())
    return { path: `/admin/tenants/${created['tenant']?.['id']}${rest}`, body }
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
  'tenant-api-keys.delete': async (port) => {
    const { path } = await one('/api-keys')(port)
    const key = await made(port, path, { name: 'ci' })
    return { path: `${path}/${key['id']}` }
  },
}
