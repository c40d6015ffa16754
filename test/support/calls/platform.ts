import type { Calls } from './call.js'

export const platformCalls: Calls = {
  'platform.health': () => Promise.resolve({ path: '/admin/platform/health' }),
}
