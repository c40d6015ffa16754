import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { type LaunchCommand, launchCommand, type LaunchValues } from '../../core/launch-command.js'
import type { LaunchTemplate } from '../../core/launch-template.js'
import { describeExit, type ExitStatus } from '../../io/child-process.js'
import { packageRoot } from '../../io/package-root.js'
import { bootId, processFacts } from '../../io/process-identity.js'
import { type HeldProcess, startHeld } from './held-start.js'
import { type LocalRecord, readRecord, removeRecord, writeRecord } from './local-record.js'
import { lastLines, logSize, openLog } from './log-file.js'
import { HOST } from './node-port.js'
import { endGroup, type EndSteps, livingMembers, NODE_MARK, type NodeGroup } from './process-group.js'

/** What a node runs: its template, and what this node puts into it. */
export interface LocalLaunch {
  readonly template: LaunchTemplate
  readonly model: string
  readonly servedModelName: string
  readonly apiKey: string
  readonly gpuCount: number
  /** Of the API's body; checked against the template. */
  readonly engineArgs: readonly string[]
  /** Values of the template's other secrets, by name. */
  readonly secrets: Readonly<Record<string, string>>
}

/** A node's process that runs, started here or by another process of the gateway before. */
export interface RunningNode {
  readonly record: LocalRecord
  /** Says how it ended; null while it runs. */
  ended(): string | null
  /** All its living processes. */
  members(): number[]
  /** Writes down what is now known of it. */
  note(changes: Partial<Pick<LocalRecord, 'wanted' | 'activeAt'>>): void
  /** What it printed last, secrets hidden. */
  lastLines(count: number): string[]
  /** Ends it with all that it started. */
  end(steps: EndSteps, interrupt?: AbortSignal): Promise<void>
  /** Lets this program end without it. */
  unref(): void
}

export const logPath = (folder: string) => join(folder, 'engine.log')

/** @throws LaunchTemplateError or GatewayError when the template and the launch do not go together */
export function commandOf(launch: LocalLaunch, port: number): LaunchCommand {
  const { template, engineArgs, secrets } = launch
  const values: LaunchValues['values'] = {
    model: launch.model,
    served_model_name: launch.servedModelName,
    host: HOST,
    port: String(port),
    api_key: launch.apiKey,
    gpu_count: String(launch.gpuCount),
    node: process.execPath,
    package_root: packageRoot,
  }
  return launchCommand(template, { values, engineArgs, secrets })
}

export const stopSteps = ({ template }: LocalLaunch): EndSteps & LocalRecord['stop'] => ({
  signal: template.stop.signal,
  graceMs: template.stop.grace_seconds * 1000,
})

function groupOf(folder: string, record: LocalRecord | null): NodeGroup {
  // Numbers of an earlier boot say nothing of this one.
  const known = record?.bootId === bootId() ? record : null
  return { folder, leader: known?.process ?? null, seen: known?.seen ?? [] }
}

/**
 * What runs for a node by its record; null when its main process has ended or there is none. Others of its processes may
 * live still: {@link endLeftovers}.
 */
export function adopt(folder: string, secrets: readonly string[]): RunningNode | null {
  const record = readRecord(folder)
  if (record === null || groupOf(folder, record).leader === null) return null
  const { pid, startTicks } = record.process
  const lives = () => processFacts(pid)?.startTicks === startTicks
  if (!lives()) return null
  return running({
    folder,
    record,
    secrets,
    // Only a parent is told how its child ended.
    ended: () =>
      lives() ? null : 'it ended; how is not known, since an earlier process of the gateway started it',
    unref: () => {},
  })
}

/** Ends whatever an earlier start of the node left. */
export async function endLeftovers(folder: string, steps: EndSteps, interrupt?: AbortSignal): Promise<void> {
  await endGroup(groupOf(folder, readRecord(folder)), steps, interrupt)
}

/**
 * Ends everything that a node's folder tells of, and then the record of it. A kill of this program on the way leaves the
 * order in the record, which a successor follows.
 * @throws when a process outlives SIGKILL
 */
export async function stopFolder(folder: string, steps: EndSteps, interrupt?: AbortSignal): Promise<void> {
  const record = readRecord(folder)
  if (record !== null && record.wanted !== 'stopped') writeRecord(folder, { ...record, wanted: 'stopped' })
  await endLeftovers(folder, steps, interrupt)
  if (interrupt?.aborted !== true) removeRecord(folder)
}

export interface StartOptions {
  readonly folder: string
  readonly launch: LocalLaunch
  readonly port: number
  readonly failures: number
  /** Unix milliseconds. */
  readonly startedAt: number
  /** What the machine gives to engines. */
  readonly machineEnv: Readonly<Record<string, string>>
  /** Asked when everything is ready: false means that it is not wanted any more. */
  readonly stillWanted: () => boolean
}

/**
 * Starts a node's process. It is written down before it begins, so a kill of this program at any moment leaves either
 * none or one that is found again.
 * @returns null when it was not wanted any more
 * @throws what {@link commandOf} throws, and what the system says
 */
export async function start(options: StartOptions): Promise<RunningNode | null> {
  const { folder, launch, port } = options
  const command = commandOf(launch, port)
  const log = logPath(folder)
  const logFrom = logSize(log)
  const outputFd = openLog(log)
  let held: HeldProcess
  try {
    held = await startHeld({
      program: command.program,
      args: command.args,
      cwd: folder,
      env: { ...options.machineEnv, ...command.env, [NODE_MARK]: folder },
      outputFd,
      limits: launch.template.limits,
    })
  } finally {
    closeSync(outputFd)
  }
  const record: LocalRecord = {
    bootId: bootId(),
    process: { pid: held.pid, startTicks: held.startTicks },
    seen: [],
    port,
    wanted: 'running',
    stop: stopSteps(launch),
    startedAt: options.startedAt,
    activeAt: null,
    failures: options.failures,
    logFrom,
  }
  try {
    if (!options.stillWanted()) {
      held.abandon()
      await held.exited
      return null
    }
    writeRecord(folder, record)
  } catch (error) {
    held.abandon()
    throw error
  }
  held.go()
  let exit: ExitStatus | null = null
  void held.exited.then((status) => {
    exit = status
  })
  return running({
    folder,
    record,
    secrets: command.secrets,
    ended: () => (exit === null ? null : describeExit(exit)),
    unref: () => {
      held.unref()
    },
  })
}

function running(node: {
  readonly folder: string
  readonly record: LocalRecord
  readonly secrets: readonly string[]
  readonly ended: () => string | null
  readonly unref: () => void
}): RunningNode {
  const { folder, secrets } = node
  let { record } = node
  return {
    get record() {
      return record
    },
    ended: node.ended,
    members: () => livingMembers(groupOf(folder, record), 'quickly').map(({ pid }) => pid),
    note(changes) {
      const seen = livingMembers(groupOf(folder, record), 'quickly')
        .filter(({ pid }) => pid !== record.process.pid)
        .map(({ pid, startTicks }) => ({ pid, startTicks }))
      const next = { ...record, ...changes, seen }
      if (JSON.stringify(next) === JSON.stringify(record)) return
      record = next
      writeRecord(folder, record)
    },
    lastLines: (count) => lastLines(logPath(folder), count, secrets, record.logFrom),
    end: (steps, interrupt) => endGroup(groupOf(folder, record), steps, interrupt),
    unref: node.unref,
  }
}
