import { z } from 'zod'
import type { Market } from '../../core/machine.js'
import {
  launchFailed,
  type LaunchFailure,
  launchSucceeded,
  readRetry,
  type Retry,
} from '../../core/orchestration/retry.js'
import { type Launch, launched, readLaunches } from '../../core/scaling/launch-estimate.js'
import { readSpotShortage, spotAnswered, type SpotShortage } from '../../core/scaling/spot.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf } from '../../io/query.js'

const GET = loadQuery('deployments-launches')
const SET = loadQuery('deployments-remember')

const Row = z.object({ launches: z.unknown(), shortage: z.unknown(), retry: z.unknown(), now: z.date() })

interface Memory {
  readonly launches: readonly Launch[]
  readonly shortage: SpotShortage | null
  readonly retry: Retry | null
}
/** Unix milliseconds by the clock of the database. */
interface Moment {
  readonly atMs: number
}

/** A launch of a deployment's node. Times in Unix milliseconds. */
export interface LaunchOfDeployment {
  readonly deploymentId: string
  readonly market: Market
  readonly plannedAtMs: number
  readonly nowMs: number
}

/** A deployment's node serves: how long that took is remembered, and that launches work. What was given up goes on. */
export function rememberSuccess(db: Queryable, launch: LaunchOfDeployment): Promise<void> {
  const { market, plannedAtMs, nowMs } = launch
  return remember(db, launch.deploymentId, ({ launches, shortage, retry, atMs }) => ({
    launches: launched(launches, { atMs: nowMs, tookMs: Math.max(0, nowMs - plannedAtMs) }),
    shortage: market === 'spot' ? spotAnswered(shortage, 'granted', plannedAtMs, nowMs) : shortage,
    retry: launchSucceeded(retry, atMs),
  }))
}

/** A launch for a deployment failed, or what it launched was lost right away. */
export function rememberFailure(
  db: Queryable,
  launch: LaunchOfDeployment,
  failure: LaunchFailure,
): Promise<void> {
  const { market, plannedAtMs, nowMs } = launch
  return remember(db, launch.deploymentId, ({ launches, shortage, retry, atMs: failedAtMs }) => ({
    launches,
    shortage:
      market === 'spot' && failure.kind === 'no_capacity'
        ? spotAnswered(shortage, 'no_capacity', plannedAtMs, nowMs)
        : shortage,
    retry: launchFailed(retry, failure, { launchedAtMs: plannedAtMs, failedAtMs, nowMs }, Math.random),
  }))
}

async function remember(
  db: Queryable,
  deploymentId: string,
  change: (before: Memory & Moment) => Memory,
): Promise<void> {
  const row = await rowOf(db, GET, Row, [deploymentId])
  if (row === null) return
  const { launches, shortage, retry } = change({
    launches: readLaunches(row.launches),
    shortage: readSpotShortage(row.shortage),
    retry: readRetry(row.retry),
    atMs: row.now.getTime(),
  })
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
  await db.query(SET, [deploymentId, json(launches), json(shortage), json(retry)])
}
