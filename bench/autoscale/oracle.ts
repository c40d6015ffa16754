import type { Day } from './traffic.js'

const MINUTE_S = 60

/**
 * Nodes for each minute of somebody who knows the day beforehand, whose nodes come and go in no time and who bears what the
 * scaler is told to bear: the most streams of the minute, were none ever to wait, over the target for each node.
 */
export function perfectNodes({ seconds, arrivals, streamS }: Day, targetConcurrency: number): number[] {
  const changes = new Int32Array(seconds + 1)
  let request = 0
  for (let second = 0; second < seconds; second++) {
    for (let count = arrivals[second] ?? 0; count > 0; count--) {
      const end = Math.min(seconds, second + (streamS[request++] ?? 0))
      changes[second] = (changes[second] ?? 0) + 1
      changes[end] = (changes[end] ?? 0) - 1
    }
  }
  const nodes: number[] = []
  let streams = 0
  for (let second = 0; second < seconds; second++) {
    streams += changes[second] ?? 0
    const minute = Math.floor(second / MINUTE_S)
    nodes[minute] = Math.max(nodes[minute] ?? 0, Math.ceil(streams / targetConcurrency))
  }
  return nodes
}

/** Hours of nodes. */
export function perfectHours(nodesByMinute: readonly number[]): number {
  return nodesByMinute.reduce((sum, nodes) => sum + nodes, 0) / 60
}
