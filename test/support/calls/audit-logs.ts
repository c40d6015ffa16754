import type { Calls } from './call.js'

export const auditLogsCalls: Calls = {
  'audit-logs.list': () => Promise.resolve({ path: '/admin/audit-logs' }),
  'audit-logs.export': () => Promise.resolve({ path: '/admin/audit-logs/export?format=ndjson' }),
}
