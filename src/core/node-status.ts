/** States of a node: see docs/nodes.md. */
export const NODE_STATUSES = [
  'launching',
  'active',
  'draining',
  'unhealthy',
  'terminating',
  'terminated',
  'failed',
] as const
export type NodeStatus = (typeof NODE_STATUSES)[number]
