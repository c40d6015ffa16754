/**
 * Which change of a deployment is allowed in which state, and where it leads. Deployments settle by themselves from
 * launching and scaling to active (or paused at zero), and from draining to terminated: see deployments-settle.sql.
 */
export const DEPLOYMENT_STATUSES = [
  'launching',
  'active',
  'scaling',
  'draining',
  'paused',
  'terminated',
  'failed',
] as const
export type DeploymentStatus = (typeof DEPLOYMENT_STATUSES)[number]

export type DeploymentChange =
  /** Other settings; the number of nodes stays. */
  | { readonly kind: 'configure' }
  /** Of its nodes `staying` stay, at most as many as are wanted, and `leaving` are on their way out. */
  | { readonly kind: 'scale'; readonly wanted: number; readonly staying: number; readonly leaving: number }
  /** All its nodes go; `left` are not terminated yet. */
  | { readonly kind: 'delete'; readonly left: number }

/** States in which nothing about a deployment can be set any more. */
const ENDING: ReadonlySet<DeploymentStatus> = new Set(['draining', 'terminated'])

/** The state after a change; null: the change is not allowed in this one. A delete may be repeated. */
export function changed(status: DeploymentStatus, change: DeploymentChange): DeploymentStatus | null {
  if (change.kind === 'delete')
    return status === 'terminated' || change.left === 0 ? 'terminated' : 'draining'
  if (ENDING.has(status)) return null
  if (change.kind === 'configure') return status
  const { wanted, staying, leaving } = change
  if (wanted === 0) return leaving === 0 ? 'paused' : 'scaling'
  if (staying === 0) return 'launching'
  if (staying < wanted || leaving > 0) return 'scaling'
  // It has what is wanted already; whether all of them serve is seen by who settles it.
  return status === 'active' || status === 'launching' ? status : 'scaling'
}
