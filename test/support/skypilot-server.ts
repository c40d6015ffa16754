/**
 * A stand-in for SkyPilot's API server, with the shapes of the real one (0.14.1): requests that are answered at
 * once and fetched by a blocking get, JSON in JSON, failures inside a 500, clusters that are INIT and then UP, and absent
 * once they are gone. A cluster's machine is a process on this one. Faults are set by the object or, from another
 * process, by `POST /faults`; `GET /counts` tells what was launched and is there.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startKillableNode } from '../../bench/node-fleet.js'
import type { Cluster, ClusterCounts, Instance, InstanceStart } from './skypilot/cluster.js'
import { createClusterTable } from './skypilot/clusters.js'
import { Crash, JobLog, Preemption, Restart } from './skypilot/controls.js'
import { changedFaults, type Faults, type FaultsInput, noFaults } from './skypilot/faults.js'
import { answerMetadata } from './skypilot/metadata.js'
import { PythonError, serializedError } from './skypilot/python-error.js'
import { createRequestTable, newRequestId } from './skypilot/requests.js'
import { blockingGet, listed, reply, streamLog } from './skypilot/reads.js'
import { submitters } from './skypilot/routes.js'
import { readTask } from './skypilot/task.js'

export type { Cluster, ClusterCounts, Instance, InstanceStart } from './skypilot/cluster.js'

export interface SkyPilotServer extends AsyncDisposable {
  readonly url: string
  readonly token: string
  readonly faults: Faults
  /** Changes some of the faults. */
  setFaults(change: FaultsInput): void
  readonly clusters: readonly Cluster[]
  /** How often each path was asked for, query left out: `POST /launch`. */
  readonly calls: ReadonlyMap<string, number>
  /** What was sent to it, as text. */
  readonly bodies: readonly { readonly path: string; readonly text: string }[]
  counts(): ClusterCounts
  preempt(clusterName: string, noticeMs: number | null): Promise<void>
  /** The server on a cluster's machine crashes; the machine stays until its idle minutes are over. */
  crash(clusterName: string): Promise<void>
  restart(how: z.input<typeof Restart>): Promise<void>
}

export interface SkyPilotServerInput {
  readonly token?: string
  readonly faults?: FaultsInput
  /** How long one of SkyPilot's idle minutes takes here. */
  readonly minuteMs?: number
  /** What runs on a machine; a simulated node unless something else is given. */
  readonly startInstance?: (input: InstanceStart) => Promise<Instance>
}

/** Of 0.14.1, and the oldest that its clients may have. */
const API_VERSION = 62
const LEAST_API_VERSION = 24

/** Starts one on a free port of the loopback interface. All that it starts ends with it. */
export async function startSkyPilotServer({
  token = 'sky_test-token-of-a-service-account',
  faults: initialFaults = {},
  minuteMs = 60_000,
  startInstance = startSimulatedInstance,
}: SkyPilotServerInput = {}): Promise<SkyPilotServer> {
  let faults = changedFaults(noFaults(), initialFaults)
  let port = 0
  const requests = createRequestTable()
  const clusters = createClusterTable({
    faults: () => faults,
    start: startInstance,
    metadataUrl: (name) => `http://127.0.0.1:${port}/metadata/${name}`,
    minuteMs,
  })
  const submit = submitters(clusters, requests)
  const calls = new Map<string, number>()
  const bodies: { path: string; text: string }[] = []

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server')
    const { method = 'GET' } = request
    if (url.pathname.startsWith('/faults')) {
      await changeFaults(url.pathname, await json(request))
      reply(response, 200, faults)
      return
    }
    if (url.pathname === '/counts') {
      reply(response, 200, clusters.counts())
      return
    }
    if (url.pathname.startsWith('/metadata/')) {
      answerMetadata(url.pathname, method, (name) => clusters.find(name)?.takenAt ?? null, response)
      return
    }
    if (take('unheard') || (url.pathname === '/launch' && take('unheardLaunches'))) {
      request.socket.destroy()
      return
    }
    const call = `${method} ${url.pathname}`
    calls.set(call, (calls.get(call) ?? 0) + 1)
    const id = newRequestId()
    response.setHeader('X-Skypilot-Request-ID', id)
    response.setHeader('X-SkyPilot-API-Version', String(API_VERSION))
    response.setHeader('X-SkyPilot-Version', '0.14.1')
    const text = method === 'POST' ? await bodyText(request) : ''
    if (method === 'POST') bodies.push({ path: url.pathname, text })
    if (take('unavailable')) {
      reply(response, 503, { detail: 'Server is shutting down, please try again later.' })
      return
    }
    const version = Number(request.headers['x-skypilot-api-version'] ?? API_VERSION)
    if (version < LEAST_API_VERSION) {
      reply(response, 400, { error: 'version_mismatch', message: 'Your SkyPilot client version is too old' })
      return
    }
    const isAllowed = request.headers.authorization === `Bearer ${token}` && !faults.unauthorized
    if (url.pathname === '/api/health') {
      const status = isAllowed ? 'healthy' : 'needs_auth'
      const about = { api_version: String(API_VERSION), version: '0.14.1', commit: 'abc', user: null }
      reply(response, 200, { status, ...about })
      return
    }
    if (!isAllowed) {
      reply(response, 401, { detail: 'Invalid or expired service account token' })
      return
    }
    const submitted = method === 'POST' ? submit.get(url.pathname)?.(JSON.parse(text)) : undefined
    if (submitted !== undefined) {
      requests.start(id, submitted.name, submitted.clusterName, (context) => submitted.work(context))
      if (take('unanswered') || (submitted.name === 'launch' && take('unansweredLaunches')))
        request.socket.destroy()
      else reply(response, 200, null)
      return
    }
    switch (call) {
      case 'POST /validate':
        readTask(z.object({ dag: z.string(), request_options: z.null() }).parse(JSON.parse(text)).dag)
        reply(response, 200, null)
        return
      case 'POST /logs': {
        const { cluster_name: name, tail } = JobLog.parse(JSON.parse(text))
        response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
        response.end(
          clusters
            .jobLog(name, tail)
            .map((line) => `${line}\n`)
            .join(''),
        )
        return
      }
      case 'GET /api/get':
        await blockingGet(requests, url.searchParams, faults.getCutMs, response)
        return
      case 'GET /api/status':
        reply(response, 200, listed(requests, url.searchParams))
        return
      case 'GET /api/stream': {
        const { logCutAfter } = faults
        faults.logCutAfter = null
        await streamLog(requests, url.searchParams, logCutAfter, response)
        return
      }
      default:
        reply(response, 404, { detail: 'Not Found' })
    }
  }

  function take(
    fault: 'unheard' | 'unheardLaunches' | 'unavailable' | 'unanswered' | 'unansweredLaunches',
  ): boolean {
    if (faults[fault] === 0) return false
    faults[fault] -= 1
    return true
  }

  async function changeFaults(path: string, body: unknown): Promise<void> {
    if (path === '/faults/crash') {
      await clusters.crash(Crash.parse(body).cluster)
    } else if (path === '/faults/preempt') {
      const { cluster, noticeMs } = Preemption.parse(body)
      await clusters.preempt(cluster, noticeMs)
    } else if (path === '/faults/restart') {
      // It cannot answer while it is away.
      void restart(Restart.parse(body))
    } else faults = changedFaults(faults, body)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (error instanceof PythonError) reply(response, 400, { detail: serializedError(error) })
      else if (error instanceof z.ZodError) reply(response, 422, { detail: validationDetail(error) })
      else reply(response, 500, { detail: 'Internal Server Error' })
    })
  })

  async function listen(): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no port')
    port = address.port
  }

  async function stop(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  let restarting: Promise<void> | null = null

  function restart(how: z.input<typeof Restart>): Promise<void> {
    const next = restartOnce(Restart.parse(how))
    restarting = next
    return next
  }

  async function restartOnce({ requests: fate, downMs }: z.output<typeof Restart>): Promise<void> {
    await stop()
    if (fate !== 'kept') await requests.lose(fate)
    await sleep(downMs)
    await listen()
  }

  await listen()
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    get faults() {
      return faults
    },
    setFaults(change) {
      faults = changedFaults(faults, change)
    },
    get clusters() {
      return clusters.all
    },
    calls,
    bodies,
    counts: () => clusters.counts(),
    preempt: (name, noticeMs) => clusters.preempt(name, noticeMs),
    crash: (name) => clusters.crash(name),
    restart,
    async [Symbol.asyncDispose]() {
      await restarting
      await stop()
      await requests.lose('forgotten')
      await clusters.close()
    },
  }
}

/** A simulated node that serves the task's `MODEL` and asks for its `API_KEY`. */
export async function startSimulatedInstance({ task }: InstanceStart): Promise<Instance> {
  const model = task.envs['MODEL']
  const apiKey = task.secrets['API_KEY']
  return await startKillableNode([
    ...(model === undefined ? [] : ['--model', model]),
    ...(apiKey === undefined ? [] : ['--api-key', apiKey]),
  ])
}

async function bodyText(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8')
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

/** As FastAPI has it, with the input that it repeats. */
function validationDetail(error: z.ZodError) {
  return error.issues.map(({ path, message }) => ({
    type: 'value_error',
    loc: ['body', ...path.map(String)],
    msg: message,
    input: 'the whole body, secrets and all',
  }))
}
