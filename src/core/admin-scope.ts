/** What an admin token may do: `read` every GET; `operate` nodes, deployments and routes as well; `admin` everything. */
export const ADMIN_SCOPES = ['read', 'operate', 'admin'] as const
export type AdminScope = (typeof ADMIN_SCOPES)[number]

/** Whether a token of scope `has` may do what needs `needs`. */
export function permits(has: AdminScope, needs: AdminScope): boolean {
  return ADMIN_SCOPES.indexOf(has) >= ADMIN_SCOPES.indexOf(needs)
}
