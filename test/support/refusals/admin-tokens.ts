import { made } from '../calls/call.js'
import { tokenBody } from '../calls/admin-tokens.js'
import type { Refusals } from './refusal.js'

export const adminTokensRefusals: Refusals = {
  'admin-tokens.create': {
    already_exists: async (port) => {
      const body = tokenBody()
      await made(port, '/admin/tokens', body)
      return { path: '/admin/tokens', body }
    },
  },
}
