import type { SnapshotDeployment, SnapshotModel, SnapshotNode } from '../../src/core/snapshot.js'

/** The one model of tests of routing. */
export const MODEL: SnapshotModel = {
  id: 'model',
  name: 'big',
  aliases: [],
  family: 'f',
  type: 'chat',
  contextLength: 8_192,
  prices: { inputMicros: 1, cachedInputMicros: null, outputMicros: 2 },
  tokensPerSecond: null,
  createdAt: 1,
}

/** A node of that model; its cluster name is its id. */
export function nodeOf(id: string, changes: Partial<SnapshotNode> = {}): SnapshotNode {
  return {
    id,
    clusterName: id,
    modelId: MODEL.id,
    endpointUrl: 'http://127.0.0.1:8000',
    upstreamModel: 'upstream',
    weight: 1,
    maxConcurrency: null,
    apiKey: null,
    engine: 'vllm',
    status: 'active',
    ...changes,
  }
}

/** A deployment of that model that has what it is to have, nothing. */
export function deploymentOf(changes: Partial<SnapshotDeployment> = {}): SnapshotDeployment {
  return {
    id: 'deployment',
    modelId: MODEL.id,
    status: 'active',
    asleep: false,
    wanted: 0,
    serving: 0,
    launchingSinceMs: null,
    failing: null,
    launches: [],
    ...changes,
  }
}
