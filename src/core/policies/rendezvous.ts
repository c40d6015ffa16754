import { mixBits, textHash } from '../prompt-prefix.js'

/**
 * Rendezvous hashing: every node draws a number for a key, and the greatest wins. Whoever knows the same nodes picks the
 * same one without asking anybody, and a node that joins takes keys from the others, but moves none between them.
 */

/** The number that a node draws for a key: over 0 and under 1. */
export function draw(key: number, nodeHash: number): number {
  const mixed = mixBits(Math.imul(key ^ nodeHash, 0x9e3779b1) + nodeHash)
  return ((mixed >>> 0) + 0.5) / 2 ** 32
}

/** A draw that wins as often as the weight says: of two, one with twice the weight gets twice the keys. */
export function weightedDraw(key: number, nodeHash: number, weight: number): number {
  return -weight / Math.log(draw(key, nodeHash))
}

/** A node's part in every draw. */
export function nodeHashOf(id: string): number {
  return textHash(id)
}
