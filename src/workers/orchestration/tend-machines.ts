import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { LaunchFailureKind } from '../../core/machine.js'
import { machineStep, type MachineStep } from '../../core/orchestration/machine-step.js'
import type { LaunchFailure } from '../../core/orchestration/retry.js'
import type { OrchestrationEvent } from '../../core/orchestration/orchestration-event.js'
import { storableText } from '../../core/storable-text.js'
import { loadQuery, transaction } from '../../io/postgres.js'
import { type Queryable, rowsOf } from '../../io/query.js'
import { LaunchError, type Launcher, type MachineState } from '../launchers/launcher.js'
import { TOLD_LINES, toldReason } from '../launchers/told-reason.js'
import { rememberFailure, rememberSuccess } from './launch-memory.js'
import { claimLaunch, launchesThrough, type MachineRow, openMachines, settleLaunch } from './machine-rows.js'

export interface TendMachinesOptions {
  readonly postgres: Pool
  readonly launcher: Launcher
  readonly launchTimeoutMs: number
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** For metrics. */
  readonly record: (event: OrchestrationEvent) => void
}

const LOCK = loadQuery('deployments-lock')
const NOTE = loadQuery('machines-note')
const SERVE = loadQuery('machines-serve')
const FAIL = loadQuery('machines-fail')
const LOSE = loadQuery('machines-lose')
const GONE = loadQuery('machines-gone')
const MOVE = loadQuery('machines-move')
const PLACE = loadQuery('machines-place')

const Id = z.object({ id: z.string() })

interface Sight {
  readonly row: MachineRow
  readonly state: MachineState
}

/** Steps that are under way at once: a provider may take seconds to hear of one. */
const MOST_AT_ONCE = 16
/** Of what an engine printed, for whoever asks why it does not serve. */
const MOST_TOLD = 1_000
/** What is lost this soon after it served counts as a launch that failed: else it would be launched for ever. */
const LOST_EARLY_MS = 300_000

/**
 * Looks once at all machines of a launcher and does what each needs next. Every step writes its row first or depends on what
 * was found alone, so that it can be cut off anywhere.
 * @throws when the launcher or Postgres does not answer
 */
export async function tendMachines(options: TendMachinesOptions): Promise<void> {
  const { postgres, launcher, launchTimeoutMs, now } = options
  await settle(options)
  const open = await openMachines(postgres, launcher.kind)
  // What was never asked for, and will not be, is not there: a launcher that does not answer keeps nobody from knowing.
  for (const row of open.filter(isNowhere)) await doStep(options, row, { do: 'gone' })
  const rows = open.filter((row) => !isNowhere(row))
  if (rows.length === 0) return
  const found = await launcher.look(rows.map(({ launched }) => launched)).catch(async (error: unknown) => {
    await failUnseen(options, rows, error)
    throw error
  })
  const sights = rows.map((row): Sight => {
    const state = found.get(row.launched.clusterName)
    if (state === undefined) throw new Error(`nothing was said of ${row.launched.clusterName}`)
    return { row, state }
  })
  await notePlaces(postgres, sights)
  const due = sights
    .map(({ row, state }) => ({ row, step: machineStep(row.node, state, now(), launchTimeoutMs) }))
    .filter(({ step }) => step !== null)
  const failures: unknown[] = []
  const turns = Array.from({ length: Math.min(MOST_AT_ONCE, due.length) }, async () => {
    for (let next = due.shift(); next !== undefined; next = due.shift()) {
      // One that fails each time holds up none of those behind it.
      await doStep(options, next.row, next.step).catch((error: unknown) => failures.push(error))
    }
  })
  await Promise.all(turns)
  if (failures.length > 0) throw failures[0]
  await settle(options)
}

/** A machine that might have come up in several places has come up in one: its node is there, at the price of there. */
async function notePlaces(postgres: Pool, sights: readonly Sight[]): Promise<void> {
  for (const { row, state } of sights) {
    if (row.region !== null || (state.state !== 'coming' && state.state !== 'up')) continue
    const { place } = state
    if (place !== undefined) await postgres.query(PLACE, [row.launched.id, place.provider, place.region])
  }
}

async function settle({ postgres, launcher, logger, now, record }: TendMachinesOptions): Promise<void> {
  for (const launch of await launchesThrough(postgres, launcher.kind)) {
    const { cluster_name: node, deployment_id: deploymentId, created_at: plannedAt, market } = launch
    const nowMs = now()
    const plannedAtMs = plannedAt.getTime()
    await transaction(postgres, async (db) => {
      await lockDeployment(db, deploymentId)
      if (!(await settleLaunch(db, launch.id, nowMs)) || deploymentId === null) return
      await rememberSuccess(db, { deploymentId, market: market ?? 'on_demand', plannedAtMs, nowMs })
    })
    const seconds = (nowMs - plannedAtMs) / 1_000
    record({ event: 'launch', launcher: launcher.kind, outcome: 'succeeded', seconds })
    logger.info({ event: 'node_launched', node, seconds })
  }
}

/** Whoever changes a deployment's nodes has its row first. */
async function lockDeployment(db: Queryable, deploymentId: string | null): Promise<void> {
  if (deploymentId !== null) await db.query(LOCK, [deploymentId])
}

async function doStep(options: TendMachinesOptions, row: MachineRow, step: MachineStep): Promise<void> {
  const { postgres, launcher, logger, now } = options
  const { id, clusterName } = row.launched
  switch (step?.do) {
    case undefined:
      return
    case 'launch':
      await launch(options, row)
      return
    case 'note':
      if (row.jobId === null || (row.stage === step.stage && row.progress === step.progress)) return
      await postgres.query(NOTE, [row.jobId, step.stage, step.progress, new Date(now())])
      return
    case 'serve':
      await postgres.query(SERVE, [id, step.endpointUrl])
      return
    case 'move':
      // Where there are agents, they say it.
      if (launcher.hasAgents) return
      logger.warn({ event: 'node_moved', node: clusterName, endpointUrl: step.endpointUrl })
      await postgres.query(MOVE, [id, step.endpointUrl])
      return
    case 'fail': {
      const { kind, reason, isExplained } = step
      await fail(options, row, {
        kind,
        reason: isExplained ? reason : await explained(launcher, row, reason),
      })
      return
    }
    case 'lose':
      await lose(options, row, step.reason)
      return
    case 'remove':
      await launcher.remove(clusterName)
      return
    case 'gone':
      await postgres.query(GONE, [id])
      logger.info({ event: 'machine_gone', node: clusterName })
  }
}

/** Why, with what the engine printed last, if that can be had. */
async function explained(launcher: Launcher, { launched }: MachineRow, reason: string): Promise<string> {
  const lines = await launcher.lastLines(launched.clusterName, TOLD_LINES)
  return toldReason(reason, lines, MOST_TOLD)
}

async function launch(options: TendMachinesOptions, row: MachineRow): Promise<void> {
  const { postgres, launcher, logger, now } = options
  const token = await claimLaunch(postgres, row, now())
  if (token === null) return
  logger.info({ event: 'node_launch', node: row.launched.clusterName, again: row.askedAt !== null })
  try {
    await launcher.launch(row.launched, token)
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error
    await fail(options, row, failureOf(error))
  }
}

/** Its row is changed before its machine is asked for, and it is not to be asked for any more. */
function isNowhere({ node }: MachineRow): boolean {
  return node.askedAtMs === null && (node.isDrained || node.status === 'failed')
}

/** When nothing is known of machines: those that the launcher may not ask for will not come, nor those that are overdue. */
async function failUnseen(
  options: TendMachinesOptions,
  rows: readonly MachineRow[],
  error: unknown,
): Promise<void> {
  const { launchTimeoutMs, now } = options
  const seconds = Math.round(launchTimeoutMs / 1_000)
  const failure =
    error instanceof LaunchError
      ? failureOf(error)
      : { kind: 'failed' as const, reason: `nothing was heard of it within ${seconds} s` }
  for (const row of rows) {
    const { status, askedAtMs, plannedAtMs } = row.node
    const isRefused = error instanceof LaunchError && askedAtMs === null
    const isOverdue = now() - plannedAtMs >= launchTimeoutMs
    if (status === 'launching' && (isRefused || isOverdue)) await fail(options, row, failure)
  }
}

function failureOf({ kind, message }: LaunchError) {
  return { kind, reason: message }
}

async function fail(
  { postgres, launcher, logger, now, record: count }: TendMachinesOptions,
  row: MachineRow,
  failure: { readonly kind: LaunchFailureKind; readonly reason: string },
): Promise<void> {
  const { id, clusterName } = row.launched
  const { kind } = failure
  const reason = storableText(failure.reason)
  const isFailed = await transaction(postgres, async (db) => {
    await lockDeployment(db, row.deploymentId)
    const failed = await rowsOf(db, FAIL, Id, [id, reason, row.jobId])
    if (failed.length > 0) await remember(db, row, now(), { kind, reason })
    return failed.length > 0
  })
  if (!isFailed) return
  const seconds = (now() - row.node.plannedAtMs) / 1_000
  count({ event: 'launch', launcher: launcher.kind, outcome: kind, seconds })
  // Why is in the node's own log: what an engine printed may be its users'.
  logger.warn({ event: 'node_launch_failed', node: clusterName, kind })
}

async function lose(
  { postgres, launcher, logger, now, record: count }: TendMachinesOptions,
  row: MachineRow,
  said: string,
): Promise<void> {
  const reason = storableText(said)
  const isLost = await transaction(postgres, async (db) => {
    await lockDeployment(db, row.deploymentId)
    if ((await rowsOf(db, LOSE, Id, [row.launched.id, reason])).length === 0) return false
    const isEarly = now() - row.statusSinceMs < LOST_EARLY_MS
    // What was announced, or is a spot machine's way, says nothing of launches.
    if (row.node.status === 'active' && row.launched.machine.market !== 'spot' && isEarly)
      await remember(db, row, now(), { kind: 'failed', reason, lost: true })
    return true
  })
  if (!isLost) return
  count({ event: 'lost', launcher: launcher.kind })
  logger.warn({ event: 'node_lost', node: row.launched.clusterName })
}

async function remember(
  db: Queryable,
  { deploymentId, launched, node }: MachineRow,
  nowMs: number,
  failure: LaunchFailure,
): Promise<void> {
  if (deploymentId === null) return
  const { market } = launched.machine
  await rememberFailure(db, { deploymentId, market, plannedAtMs: node.plannedAtMs, nowMs }, failure)
}
