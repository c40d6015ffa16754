import { made, type Prepare } from '../calls/call.js'
import { tenantBody } from '../contract-port.js'
import type { Refusals } from './refusal.js'

/** A change that takes the email of another tenant. */
const takenEmail: Prepare = async (port) => {
  const taken = await made(port, '/admin/tenants', tenantBody())
  const created = await made(port, '/admin/tenants', tenantBody())
  return {
    path: `/admin/tenants/${created['tenant']?.['id']}`,
    body: { email: taken['tenant']?.['email'] },
  }
}

/** An environment of a tenant. @param name of a new one, or of the one that every tenant has */
const environment =
  (name: string, body?: object): Prepare =>
  async (port) => {
    const created = await made(port, '/admin/tenants', tenantBody())
    const path = `/admin/tenants/${created['tenant']?.['id']}/environments`
    if (name !== 'production') {
      const { id } = await made(port, path, { name })
      return { path: `${path}/${id}`, body }
    }
    const { body: list } = await port.send('GET', path)
    return { path: `${path}/${list['data']?.[0]?.['id']}`, body }
  }

const usedEnvironment: Prepare = async (port) => {
  const call = await environment('staging')(port)
  const [tenant = ''] = call.path.split('/environments')
  await made(port, `${tenant}/api-keys`, { name: 'ci', environment: 'staging' })
  return call
}

const revokedKey =
  (rest: string, body: object): Prepare =>
  async (port) => {
    const created = await made(port, '/admin/tenants', tenantBody())
    const keys = `/admin/tenants/${created['tenant']?.['id']}/api-keys`
    const { id } = await made(port, keys, { name: 'ci' })
    await port.send('DELETE', `${keys}/${id}`)
    return { path: `${keys}/${id}${rest}`, body }
  }

export const tenantsRefusals: Refusals = {
  'tenants.create': {
    already_exists: async (port) => {
      const body = tenantBody()
      await made(port, '/admin/tenants', body)
      return { path: '/admin/tenants', body }
    },
    not_found: () =>
      Promise.resolve({ path: '/admin/tenants', body: tenantBody({ allowed_models: ['no-such-model'] }) }),
  },
  'tenants.put': { already_exists: takenEmail },
  'tenants.patch': { already_exists: takenEmail },
  'environments.patch': {
    already_exists: environment('staging', { name: 'production' }),
    invalid_state: environment('production', { name: 'live' }),
  },
  'environments.delete': { in_use: usedEnvironment, invalid_state: environment('production') },
  'tenant-api-keys.patch': { invalid_state: revokedKey('', { name: 'cd' }) },
  'tenant-api-keys.rotate': { invalid_state: revokedKey('/rotate', {}) },
  'environments.create': {
    already_exists: async (port) => {
      const created = await made(port, '/admin/tenants', tenantBody())
      return {
        path: `/admin/tenants/${created['tenant']?.['id']}/environments`,
        body: { name: 'production' },
      }
    },
  },
}
