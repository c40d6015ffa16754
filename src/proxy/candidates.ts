import { isPanic } from '../core/ejection.js'
import type { Target } from './target.js'

/**
 * Who may get a request: for every policy the same. The nodes that are to take requests, are not distrusted and have
 * room; in a panic (ejection.ts) distrust counts for nothing, but that a node that refused a connection within the last
 * second is not asked: it would refuse again. Hot path: no allocation.
 * @param tried targets that this request has failed at
 * @param into is emptied and filled
 * @returns null, or why there is none: `overloaded` when one would do but has no room
 */
export function collectCandidates(
  targets: readonly Target[],
  tried: readonly Target[],
  nowMs: number,
  into: Target[],
): null | 'no_healthy_node' | 'overloaded' {
  into.length = 0
  let serving = 0
  let trusted = 0
  let overloaded = false
  for (const target of targets) {
    if (!target.serving) continue
    serving++
    if (target.distrust(nowMs) !== null) continue
    trusted++
    if (tried.includes(target)) continue
    if (target.noRoom(nowMs) === null) into.push(target)
    else overloaded = true
  }
  if (isPanic(serving, trusted)) {
    for (const target of targets) {
      if (!target.serving || tried.includes(target)) continue
      const distrust = target.distrust(nowMs)
      if (distrust === null || distrust === 'refused') continue
      if (target.noRoom(nowMs) === null) into.push(target)
      else overloaded = true
    }
  }
  if (into.length > 0) {
    easeCold(into)
    return null
  }
  return overloaded ? 'overloaded' : 'no_healthy_node'
}

/** Nodes are spared while they warm up where a warm one can take their share; where all are new they share alike. */
function easeCold(candidates: readonly Target[]): void {
  let warm = false
  for (const candidate of candidates) warm ||= candidate.isWarm
  for (const candidate of candidates) candidate.eased = warm
}

/** How many of a model's nodes are to take requests, and how many of those are trusted. */
export function countTrusted(
  targets: readonly Target[],
  nowMs: number,
): { readonly serving: number; readonly trusted: number } {
  let serving = 0
  let trusted = 0
  for (const target of targets) {
    if (!target.serving) continue
    serving++
    if (target.distrust(nowMs) === null) trusted++
  }
  return { serving, trusted }
}
