import type { DeploymentStatus } from '../deployment-state.js'
import type { Market } from '../machine.js'
import type { NodeStatus } from '../node-status.js'
import { inOrderOfLeaving } from '../scaling/leaving.js'
import { chooseMarket, type SpotShortage } from '../scaling/spot.js'
import { isGivenUp, type Retry } from './retry.js'

/** A deployment's node. Times in Unix milliseconds. */
export interface DeploymentNode {
  readonly id: string
  readonly status: NodeStatus
  readonly market: Market
  /** Of the deployment's settings that it was planned with. */
  readonly generation: number
  /** Its machine will be taken away. */
  readonly isWarned: boolean
  /** Its health check has failed for so long that it is to be replaced. */
  readonly isSick: boolean
  /** Its health check fails, as far as is known. */
  readonly isUnhealthy: boolean
  /** Requests that run on it. */
  readonly streams: number
  readonly plannedAtMs: number
}

/** A deployment at one moment, with all its nodes that are not terminated. */
export interface DeploymentView {
  readonly nowMs: number
  readonly status: DeploymentStatus
  /** Nodes that are wanted. */
  readonly wanted: number
  /** None is wanted until a request comes. */
  readonly isAsleep: boolean
  readonly generation: number
  readonly useSpot: boolean
  readonly fallbackOnDemandAfterMs: number | null
  readonly nodes: readonly DeploymentNode[]
  readonly retry: Retry | null
  readonly shortage: SpotShortage | null
}

export interface DeploymentPlan {
  /** Nodes to plan, one for each. */
  readonly launch: readonly Market[]
  readonly launchReason: string
  /** Nodes to let go, in this order. */
  readonly giveUp: readonly { readonly id: string; readonly why: string }[]
  readonly status: DeploymentStatus
  /** Null: there is nothing to say. */
  readonly reason: string | null
}

/**
 * What a deployment needs next: to be asked again after that is done, and whenever anything has changed. While nodes are
 * being replaced, of old settings, on demand where spot can be had, or sick, there is one more than wanted, and the old one
 * goes when there are enough without it.
 */
export function deploymentPlan(view: DeploymentView): DeploymentPlan {
  const { status, wanted, nodes, retry, nowMs } = view
  if (status === 'draining' || status === 'terminated') return ending(view)
  const isOver = status === 'failed' || (retry !== null && isGivenUp(retry))
  const staying = nodes.filter(stays)
  const choice = chooseMarket(view, view.shortage, staying.filter(isOnDemand).length, nowMs)
  const outdated = outdatedOf(view, staying, choice.exchange && !isOver)
  const vain = staying.filter((node) => isVain(view, node))
  const present = staying.filter((node) => !vain.includes(node))
  const desiredOf = (those: readonly DeploymentNode[]) =>
    wanted + (wanted > 0 && outdated.some((node) => those.includes(node)) ? 1 : 0)
  const giveUp = [
    ...vain.map(({ id, isWarned }) => ({
      id,
      why: isWarned ? 'its machine is taken away' : 'its deployment has other settings now',
    })),
    ...surplusOf(view, present, outdated, desiredOf(present)),
    ...failedOf(view, present),
  ]
  const goes = new Set(giveUp.map(({ id }) => id))
  const left = present.filter(({ id }) => !goes.has(id))
  const launching = left.filter((node) => node.status === 'launching').length
  // Who goes as the last one that was to be replaced needs no successor any more.
  const missing = desiredOf(left) - left.length
  const launches = isOver ? 0 : launchesNow(view, missing, launching)
  const rest = choice.market === 'spot' && isWaitedOut(view) ? 'on_demand' : choice.market
  return {
    launch: Array.from({ length: launches }, (_, at) => (at === 0 ? choice.market : rest)),
    launchReason: choice.reason,
    giveUp,
    ...settled(view, { present, goes, outdated, isOver }),
  }
}

function ending({ status, nodes }: DeploymentView): DeploymentPlan {
  const why = 'its deployment is deleted'
  const giveUp = nodes.filter((node) => node.status !== 'terminating').map(({ id }) => ({ id, why }))
  const isOver = nodes.length === 0
  return { launch: [], launchReason: '', giveUp, status: isOver ? 'terminated' : status, reason: null }
}

/** Whether a node counts as one of those that are wanted. One that an administrator drains may be wanted again. */
function stays({ status, isWarned }: DeploymentNode): boolean {
  return (
    status === 'launching' ||
    status === 'active' ||
    status === 'unhealthy' ||
    (status === 'draining' && !isWarned)
  )
}

/** A launch that would bring what nobody wants: a node of old settings, or one whose machine will be taken away. */
function isVain({ generation }: DeploymentView, node: DeploymentNode): boolean {
  return node.status === 'launching' && (node.generation !== generation || node.isWarned)
}

function serves({ status, isUnhealthy }: DeploymentNode): boolean {
  return status === 'active' && !isUnhealthy
}

function isIll({ status, isUnhealthy }: DeploymentNode): boolean {
  return status === 'active' && isUnhealthy
}

function isOnDemand({ market }: DeploymentNode): boolean {
  return market === 'on_demand'
}

/** Nodes that others should stand in for, the most urgent first. */
function outdatedOf(
  { generation }: DeploymentView,
  staying: readonly DeploymentNode[],
  exchange: boolean,
): DeploymentNode[] {
  const running = staying.filter(({ status }) => status !== 'launching')
  const sick = running.filter(({ isSick }) => isSick)
  const old = running.filter((node) => !node.isSick && node.generation !== generation)
  if (sick.length > 0 || old.length > 0) return [...sick, ...old]
  // What stands in for a spot machine is exchanged when nothing else is going on.
  return exchange ? running.filter(isOnDemand).slice(0, 1) : []
}

/**
 * Nodes that are too many, and one that others have taken the place of. Of nodes that serve none goes that is needed for as
 * many to serve as are wanted.
 */
function surplusOf(
  { wanted, useSpot }: DeploymentView,
  present: readonly DeploymentNode[],
  outdated: readonly DeploymentNode[],
  desired: number,
): { id: string; why: string }[] {
  const why = `its deployment is scaled to ${wanted}`
  const spare = Math.max(0, present.filter(serves).length - wanted)
  const first = [
    ...outdated.filter((node) => present.includes(node) && !serves(node)),
    ...outdated.filter(serves).slice(0, spare),
  ]
  // A launch may be the successor of a node that is ill: the node goes before it.
  first.push(...present.filter((node) => isIll(node) && !first.includes(node)))
  const candidates = present
    .filter((node) => !first.includes(node))
    .map((node) => ({ ...node, launching: !serves(node), launchedAtMs: node.plannedAtMs }))
  const order = [...first, ...inOrderOfLeaving(candidates, useSpot)]
  const tooMany = order.slice(0, Math.max(0, present.length - desired)).map(({ id }) => ({ id, why }))
  const left = present.filter(({ id }) => !tooMany.some((gone) => gone.id === id))
  const replaced = outdated
    .filter((node) => left.includes(node))
    .toSorted((a, b) => Number(serves(a)) - Number(serves(b)))
    .find((node) => isReplaced(node, left, outdated, wanted))
  return replaced === undefined
    ? tooMany
    : [...tooMany, { id: replaced.id, why: 'another one has taken its place' }]
}

function isReplaced(
  node: DeploymentNode,
  left: readonly DeploymentNode[],
  outdated: readonly DeploymentNode[],
  wanted: number,
): boolean {
  const others = left.filter((other) => other !== node)
  // One that an administrator drains is not waited for.
  const drained = others.filter(({ status }) => status === 'draining').length
  if (others.filter(serves).length >= wanted - drained) return true
  // One that does not serve makes room as soon as what came instead does: else two of them would wait for each other.
  const fresh = others.filter((other) => other.status !== 'draining' && !outdated.includes(other))
  return !serves(node) && left.length > wanted && fresh.length > 0 && fresh.every(serves)
}

/** Launches that failed are kept to be looked at, the last one of them, until there are enough nodes without. */
function failedOf(
  { nodes, wanted }: DeploymentView,
  present: readonly DeploymentNode[],
): { id: string; why: string }[] {
  const failed = nodes
    .filter(({ status }) => status === 'failed')
    .toSorted((a, b) => b.plannedAtMs - a.plannedAtMs)
  const isEnough = present.filter(serves).length >= wanted
  return failed.slice(isEnough ? 0 : 1).map(({ id }) => ({ id, why: 'its launch had failed' }))
}

/** While launches fail one at a time is tried, after a pause. */
function launchesNow({ retry, nowMs }: DeploymentView, missing: number, launching: number): number {
  if (missing <= 0) return 0
  if (retry === null) return missing
  return nowMs < retry.retryAtMs || launching > 0 ? 0 : 1
}

/** Whether launches go on demand by now, but for one that asks whether there are spot machines again. */
function isWaitedOut({ shortage, fallbackOnDemandAfterMs, nowMs }: DeploymentView): boolean {
  if (shortage === null || fallbackOnDemandAfterMs === null) return false
  return nowMs - shortage.sinceMs >= fallbackOnDemandAfterMs
}

interface Situation {
  readonly present: readonly DeploymentNode[]
  readonly goes: ReadonlySet<string>
  readonly outdated: readonly DeploymentNode[]
  readonly isOver: boolean
}

function settled(
  view: DeploymentView,
  { present, goes, outdated, isOver }: Situation,
): Pick<DeploymentPlan, 'status' | 'reason'> {
  const { status, wanted, nodes, retry, isAsleep } = view
  const serving = present.filter((node) => !goes.has(node.id) && node.status === 'active').length
  const isShort = serving < wanted || outdated.length > 0
  if (isOver && isShort && wanted > 0) {
    const reason = retry === null ? null : `given up after ${times(retry.failures)}: ${retry.reason}`
    return { status: 'failed', reason }
  }
  const failure =
    retry === null || !isShort
      ? null
      : `${times(retry.failures)} failed, the next one not before ${new Date(retry.retryAtMs).toISOString()}: ${retry.reason}`
  if (wanted === 0) {
    if (nodes.length > 0) return { status: 'scaling', reason: null }
    return isAsleep
      ? { status: 'active', reason: 'asleep: the next request wakes it' }
      : { status: 'paused', reason: null }
  }
  const isThere = serving === wanted && nodes.length === wanted && outdated.length === 0
  if (isThere) return { status: 'active', reason: null }
  const begins = serving === 0 && (status === 'launching' || status === 'paused')
  return { status: begins ? 'launching' : 'scaling', reason: failure }
}

function times(failures: number): string {
  return failures === 1 ? 'a launch' : `${failures} launches`
}
