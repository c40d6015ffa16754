import { tenantBody } from '../contract-port.js'
import { type Call, type Calls, made, type Prepare } from './call.js'

/** A call with a tenant's first key. */
const asTenant =
  (path: string, body?: unknown): Prepare =>
  async (port): Promise<Call> => {
    const created = await made(port, '/admin/tenants', tenantBody())
    const keys = await port.send('GET', `/admin/tenants/${created['tenant']?.['id']}/api-keys`)
    return {
      path,
      body,
      headers: { authorization: `Bearer ${created['api_key']}` },
      actor: `key:${keys.body['data']?.[0]?.['id']}`,
    }
  }

/** A call on a second key of that tenant. */
const onAnother =
  (rest: string, body?: unknown): Prepare =>
  async (port) => {
    const call = await asTenant('/v1/api-keys', { name: 'ci' })(port)
    const other = await port.send('POST', call.path, call.body, call.headers)
    return { ...call, path: `/v1/api-keys/${other.body['id']}${rest}`, body }
  }

export const apiKeysCalls: Calls = {
  'api-keys.list': asTenant('/v1/api-keys'),
  'api-keys.create': asTenant('/v1/api-keys', { name: 'ci' }),
  'api-keys.rotate': onAnother('/rotate', { overlap_seconds: 60 }),
  'api-keys.delete': onAnother(''),
}
