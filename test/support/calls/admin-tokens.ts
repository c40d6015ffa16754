import { type Calls, made } from './call.js'

let sequence = 0
/** A token's create body; its name is unique in this process. */
export const tokenBody = () => ({ name: `token-${++sequence}`, scope: 'read' })

export const adminTokensCalls: Calls = {
  'admin-tokens.list': () => Promise.resolve({ path: '/admin/tokens' }),
  'admin-tokens.create': () => Promise.resolve({ path: '/admin/tokens', body: tokenBody() }),
  'admin-tokens.delete': async (port) => {
    const token = await made(port, '/admin/tokens', tokenBody())
    return { path: `/admin/tokens/${token['id']}` }
  },
}
