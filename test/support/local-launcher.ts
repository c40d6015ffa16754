/**
 * The launcher of local nodes, as tests use it; and as a program, `local-launcher.js <folder> <behaviour>`, that launches
 * the node `node-1` and prints each of its stages, to be killed at any moment. With `stop` as a third argument it stops
 * the node once that is active.
 */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { parseLaunchTemplate } from '../../src/core/launch-template.js'
import type { LocalLaunch } from '../../src/workers/launchers/local-process.js'
import { type LocalProcesses, openLocalProcesses } from '../../src/workers/launchers/local-processes.js'
import type { LocalState } from '../../src/workers/launchers/local-state.js'
import { eventually } from './processes.js'

export const FAKE_ENGINE = fileURLToPath(new URL('./fake-engine.js', import.meta.url))
export const API_KEY = 'sk-told-to-nobody'

/** A launch of the fake engine with a behaviour; `more` is YAML that goes into its template. */
export function fakeLaunch(behaviour: string, more = ''): LocalLaunch {
  const template = parseLaunchTemplate(
    'fake.yaml',
    `engine: fake
command: ['{{node}}', '${FAKE_ENGINE}', '${behaviour}', '{{port}}']
secrets: [{ name: api_key, env: ENGINE_KEY }]
${more.includes('readiness:') ? '' : 'readiness: { path: /health, timeout_seconds: 60, interval_seconds: 0.05 }'}
${more.includes('restart:') ? '' : 'restart: { first_pause_seconds: 0.05, longest_pause_seconds: 0.2 }'}
${more}`,
  )
  return { template, ...launchValues() }
}

export function launchValues(): Omit<LocalLaunch, 'template'> {
  return {
    model: 'some/model',
    servedModelName: 'served',
    apiKey: API_KEY,
    gpuCount: 1,
    engineArgs: [],
    secrets: {},
  }
}

export interface OpenedLauncher extends AsyncDisposable {
  readonly processes: LocalProcesses
  readonly log: string[]
  /** Every state that each node was in. */
  readonly states: LocalState[]
  /** Waits for a stage of a node, and for another end instead of it: @throws then. */
  untilStage(clusterName: string, stage: LocalState['stage']): Promise<LocalState>
}

/** Opens the launcher on a folder; disposal stops all its nodes. */
export async function openLauncher(
  folder: string,
  more: {
    onChange?: (clusterName: string, state: LocalState) => void
    logLimits?: { mostBytes: number; kept: number }
    now?: () => number
  } = {},
): Promise<OpenedLauncher> {
  const log: string[] = []
  const states: LocalState[] = []
  const processes = await openLocalProcesses({
    folder,
    logger: pino({ serializers: { error: pino.stdSerializers.err } }, { write: (line) => log.push(line) }),
    environment: { ...process.env, DATABASE_URL: 'postgres://gateway:secret@127.0.0.1/gateway' },
    ...(more.logLimits === undefined ? {} : { logLimits: more.logLimits }),
    ...(more.now === undefined ? {} : { now: more.now }),
    onChange: (clusterName, state) => {
      states.push(state)
      more.onChange?.(clusterName, state)
    },
  })
  return {
    processes,
    log,
    states,
    async untilStage(clusterName, stage) {
      await eventually(`${clusterName} is ${stage}`, () => {
        const state = processes.state(clusterName)
        if (state?.stage === 'failed' && stage !== 'failed')
          throw new Error(`it failed: ${state.error ?? ''}`)
        return state?.stage === stage
      })
      const state = processes.state(clusterName)
      if (state === null) throw new Error('it was forgotten')
      return state
    },
    async [Symbol.asyncDispose]() {
      for (const name of await processes.recorded()) await processes.stop(name)
      await processes[Symbol.asyncDispose]()
    },
  }
}

async function main([folder = '', behaviour = 'serves', then]: readonly string[]): Promise<void> {
  const { processes } = await openLauncher(folder, {
    onChange: (_, { stage, pid }) => {
      process.stdout.write(`${JSON.stringify({ stage, pid })}\n`)
      if (stage === 'active' && then === 'stop') setImmediate(() => void processes.stop('node-1'))
    },
  })
  process.stdout.write('{"stage":"opened"}\n')
  await processes.launch('node-1', fakeLaunch(behaviour, 'stop: { grace_seconds: 3 }'))
}

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2))
