/**
 * A process of the load generator: one run. Sends and measures by itself, so that neither the display nor the
 * result's making disturbs it; ends when its parent is gone.
 */
import { lookup } from 'node:dns/promises'
import { UsageError } from '../command.js'
import { ConnectionPool, type Server } from './connection-pool.js'
import { ToGenerator, type FromGenerator } from './generator-messages.js'
import { startLoadRun, type LoadRun } from './load-run.js'
import type { LoadPlan } from './plan.js'
import { readPrompts } from './prompt-file.js'
import { createRequestMaker, endpointUrl, type RequestMaker } from './request-maker.js'

interface Prepared {
  readonly plan: LoadPlan
  readonly index: number
  readonly server: Server
  readonly makeRequest: RequestMaker
}

let prepared: Prepared | null = null
let run: LoadRun | null = null

function tell(message: FromGenerator): void {
  process.send?.(message)
}

/** @throws UsageError when prompts cannot be read, or the name of the server is not known */
async function prepare(plan: LoadPlan, model: string, index: number): Promise<number> {
  const file = plan.prompts.kind === 'file' ? await readPrompts(plan.prompts.path, plan.endpoint) : null
  prepared = {
    plan,
    index,
    server: await findServer(plan),
    makeRequest: createRequestMaker(plan, model, file?.prompts ?? null),
  }
  return file?.skipped ?? 0
}

async function findServer(plan: LoadPlan): Promise<Server> {
  const { protocol, hostname, port } = endpointUrl(plan)
  const name = hostname.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  const { address } = await lookup(name).catch((error: unknown) => {
    throw new UsageError(`--url: the name ${name} cannot be resolved`, { cause: error })
  })
  return {
    address,
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
    tls: isTls ? { serverName: name, insecure: plan.insecure } : null,
  }
}

async function start(at: number): Promise<void> {
  if (prepared === null) throw new Error('a run was started that was not prepared')
  const { plan, index, server, makeRequest } = prepared
  const { processes, maxOpen } = plan
  run = startLoadRun({
    plan,
    index,
    makeRequest,
    pool: new ConnectionPool(server, Math.max(1, Math.floor((maxOpen + processes - 1 - index) / processes))),
    startAt: at - performance.timeOrigin,
    onSecond(part) {
      tell({ kind: 'second', part })
    },
  })
  tell({ kind: 'result', part: await run.result })
}

async function carryOut(message: ToGenerator): Promise<void> {
  switch (message.kind) {
    case 'prepare':
      try {
        tell({ kind: 'ready', skipped: await prepare(message.plan, message.model, message.index) })
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
        tell({ kind: 'refused', message: error.message })
      }
      return
    case 'start':
      return start(message.at)
    case 'stop':
      run?.stop()
  }
}

process.title = 'crosslogic-bench-load'
// What is thrown is a bug: it ends the process with its stack, and the parent hears of that.
process.on('message', (message) => void carryOut(ToGenerator.parse(message)))
process.once('disconnect', () => process.exit())
