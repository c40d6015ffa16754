/** States of a deployment: see docs/nodes.md, and `deploymentPlan` for how one follows from another. */
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
