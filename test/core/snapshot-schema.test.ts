import assert from 'node:assert/strict'
import { test } from 'node:test'
import { snapshotSchema } from '../../src/core/snapshot-schema.js'
import { DEFAULT_ROUTE, type Snapshot } from '../../src/core/snapshot.js'

const snapshot = (route: object): object => ({ version: 7, models: [], nodes: [], routes: [route] })

test('a snapshot comes back as it was written', () => {
  const written: Snapshot = {
    version: 7,
    models: [],
    nodes: [],
    routes: [
      {
        ...DEFAULT_ROUTE,
        modelId: 'm',
        strategy: 'prefix-affinity',
        nodeWeights: { a: 0, b: 2 },
        stickySessions: true,
        retry: { attempts: 1, budgetPercent: 0, hedgeAfterMs: 5 },
        resumeStreams: false,
        queue: { maxDepth: 0, maxWaitMs: 0, coldStartMaxWaitMs: 0 },
        fallbackModelIds: ['x'],
        mirror: { modelId: 'x', percent: 0 },
        split: [{ modelId: 'y', percent: 12.5 }],
      },
    ],
    deployments: [
      {
        id: 'd',
        modelId: 'm',
        status: 'active',
        asleep: true,
        wanted: 0,
        serving: 0,
        launchingSinceMs: null,
        failing: { sinceMs: 3, retryAtMs: 9 },
        launches: [{ atMs: 5, tookMs: 7 }],
      },
    ],
  }
  assert.deepEqual(snapshotSchema.parse(JSON.parse(JSON.stringify(written))), written)
})

test('a route of a version that knew fewer settings has the defaults of the others', () => {
  const { strategy, healthCheck, connectionTimeoutMs, firstTokenTimeoutMs, idleTimeoutMs } = DEFAULT_ROUTE
  const known = { strategy, healthCheck, connectionTimeoutMs, firstTokenTimeoutMs, idleTimeoutMs }
  const old = { modelId: 'm', ...known, nodeWeights: { n: 2 }, allowedBodyFields: ['priority'] }
  assert.deepEqual(snapshotSchema.parse(snapshot(old)).routes, [{ ...DEFAULT_ROUTE, ...old }])
  assert.equal(snapshotSchema.safeParse(snapshot({ ...old, split: [{ modelId: 1 }] })).success, false)
})
