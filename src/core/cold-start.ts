import { estimateLaunch } from './scaling/launch-estimate.js'
import type { SnapshotDeployment } from './snapshot.js'

/** What there is to wait for where no node serves a model. */
export type NextNode =
  /** A deployment brings one, in about so many milliseconds. */
  | { readonly kind: 'coming'; readonly ms: number }
  /** The launches of its deployment have been given up. */
  | { readonly kind: 'failed' }
  /** An administrator wants none. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'none' }

/**
 * When the next node of a model is there, by its deployments: the soonest of those that are bringing one, or would for a
 * request. One that has all the nodes that it is to have brings none, whatever their health.
 */
export function nextNode(deployments: readonly SnapshotDeployment[], nowMs: number): NextNode {
  let soonestMs = Infinity
  for (const deployment of deployments) {
    if (!brings(deployment)) continue
    const { launches, launchingSinceMs } = deployment
    const elapsedMs = launchingSinceMs === null ? 0 : Math.max(0, nowMs - launchingSinceMs)
    soonestMs = Math.min(soonestMs, estimateLaunch(launches, elapsedMs, nowMs).ms)
  }
  if (soonestMs < Infinity) return { kind: 'coming', ms: soonestMs }
  if (deployments.some(({ status }) => status === 'failed')) return { kind: 'failed' }
  return { kind: deployments.some(({ status }) => status === 'paused') ? 'paused' : 'none' }
}

/** Whether a deployment has a node launched, or would as soon as a request waits. */
export function brings({ status, asleep, wanted, serving, launchingSinceMs }: SnapshotDeployment): boolean {
  if (status !== 'launching' && status !== 'active' && status !== 'scaling') return false
  return asleep || serving < wanted || launchingSinceMs !== null
}
