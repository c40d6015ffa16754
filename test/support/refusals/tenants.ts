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
