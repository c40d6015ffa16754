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
  const kind = nextKind(deployments)
  if (kind !== 'coming') return { kind }
  return { kind, ms: Math.min(...deployments.filter(brings).map((one) => bringsWithinMs(one, nowMs))) }
}

/** Of {@link nextNode} what costs nothing to know. */
export function nextKind(deployments: readonly SnapshotDeployment[]): NextNode['kind'] {
  if (deployments.some(brings)) return 'coming'
  if (deployments.some(({ status }) => status === 'failed')) return 'failed'
  return deployments.some(({ status }) => status === 'paused') ? 'paused' : 'none'
}

/**
 * While launches fail in a row they count as one that takes long: the longer none goes through, the less is known. What is
 * left of a pause is added to what is known of launches, not to a guess: that has room for it.
 */
function bringsWithinMs({ launches, launchingSinceMs, failing }: SnapshotDeployment, nowMs: number): number {
  const estimate = (sinceMs: number) => estimateLaunch(launches, Math.max(0, nowMs - sinceMs), nowMs)
  const thisOne = estimate(launchingSinceMs ?? nowMs)
  if (failing === null) return thisOne.ms
  const isPaused = launchingSinceMs === null && thisOne.basis === 'launches'
  const pauseMs = isPaused ? Math.max(0, failing.retryAtMs - nowMs) : 0
  return Math.max(pauseMs + thisOne.ms, estimate(failing.sinceMs).ms)
}

/** Whether a deployment has a node launched, or would as soon as a request waits. */
export function brings({ status, asleep, wanted, serving, launchingSinceMs }: SnapshotDeployment): boolean {
  if (status !== 'launching' && status !== 'active' && status !== 'scaling') return false
  return asleep || serving < wanted || launchingSinceMs !== null
}
