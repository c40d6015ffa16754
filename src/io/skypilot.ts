import { fetch as undiciFetch } from 'undici'
import { z } from 'zod'
import {
  parseJson,
  readCancelled,
  readClusters,
  readEndpoint,
  readHealth,
  readJobId,
  readJobStage,
  readRequests,
  type SkyPilotCluster,
  type SkyPilotHealth,
  type SkyPilotJobStage,
  type SkyPilotRequest,
} from '../core/skypilot-payload.js'
import { SkyPilotError } from '../core/skypilot-error.js'
import { isClusterName, skyPilotYaml, type SkyPilotTask } from '../core/skypilot-task.js'
import { type Deadline, startDeadline } from './deadline.js'
import { createSkyPilotHttp, type Fetch, type SkyPilotCall, type SkyPilotReply } from './skypilot-http.js'
import { jobLog, logLines, type LogOptions } from './skypilot-logs.js'
import { lateReply, notSkyPilot, waitForRequest } from './skypilot-wait.js'

export interface CallOptions {
  /** Its reason is thrown as it is. What was sent may go on at the server. */
  readonly signal?: AbortSignal | undefined
  /** After this the call ends with `deadline`; each call has a default. */
  readonly deadlineMs?: number | undefined
}

export interface WaitOptions extends CallOptions {
  /** The secrets of the task: the server may quote a command with them in it. */
  readonly hide: readonly string[]
}

export interface LaunchOptions extends CallOptions {
  /** Chooses the machine and starts nothing. */
  readonly dryrun?: boolean | undefined
  /** Asks every place again and again instead of ending with `no_capacity`. */
  readonly retryUntilUp?: boolean | undefined
}

/** A request that succeeded. */
export interface FinishedRequest {
  readonly requestId: string
  readonly name: string
  readonly clusterName: string | null
  /** The job that a launch started on its cluster. */
  readonly jobId: number | null
}

/** Whether the states of clusters are as last seen, or the clouds are asked: for spot clusters, or for all. */
export type StatusRefresh = 'NONE' | 'AUTO' | 'FORCE'

/**
 * A client of SkyPilot's API server. Every call ends by its deadline, and throws a {@link SkyPilotError} or the reason of
 * its signal. Only `wait` and `logs` try again by themselves: they change nothing. Whoever calls the others does so from a
 * loop that looks first; a launch whose reply was lost is found by `requestsOf`.
 */
export interface SkyPilot extends AsyncDisposable {
  /** Whether it is there, lets us in, and which version of the API it has. */
  health(options?: CallOptions): Promise<SkyPilotHealth>
  /** Has the server read a task; the values of secrets are not sent. @throws SkyPilotError `bad_task` with the reason */
  validate(task: SkyPilotTask, options?: CallOptions): Promise<void>
  /** Asks for a cluster, or for a further job on one that is there; returns the id of the request at once. */
  launch(task: SkyPilotTask, clusterName: string, options?: LaunchOptions): Promise<string>
  /** Waits for a request's end, through restarts of the server and cut connections; an hour by default. */
  wait(requestId: string, options: WaitOptions): Promise<FinishedRequest>
  /** How requests stand, without their results; what the server does not know is left out. */
  requests(requestIds: readonly string[], options?: CallOptions): Promise<SkyPilotRequest[]>
  /** The requests about a cluster that have not ended. */
  requestsOf(clusterName: string, options?: CallOptions): Promise<SkyPilotRequest[]>
  /** The log of a request, line by line, from its beginning; goes on until its end unless `follow` is false. */
  logs(requestId: string, options: LogOptions): AsyncGenerator<string, void, undefined>
  /** Ends requests; returns those that had not ended before. A launch that is cancelled leaves its cluster to `down`. */
  cancel(requestIds: readonly string[], options?: CallOptions): Promise<string[]>
  /** Clusters by name, or all; one that is gone is left out. `refresh` other than `NONE` takes a while. */
  status(
    clusterNames: readonly string[] | null,
    options?: CallOptions & { readonly refresh?: StatusRefresh | undefined },
  ): Promise<SkyPilotCluster[]>
  /** The URL at which a port of a cluster is reached; null when it is not open (yet). */
  endpoint(clusterName: string, port: number, options?: CallOptions): Promise<string | null>
  /** Ends a cluster and waits until it is gone; `purge` forgets it even when the cloud does not answer. */
  down(clusterName: string, options?: CallOptions & { readonly purge?: boolean | undefined }): Promise<void>
  /** Asks for a cluster's end; returns the id of the request at once. */
  startDown(
    clusterName: string,
    options?: CallOptions & { readonly purge?: boolean | undefined },
  ): Promise<string>
  /** How far a cluster's job is; null when it has none. It is asked for over the network of the cloud. */
  jobStage(clusterName: string, options?: CallOptions): Promise<SkyPilotJobStage | null>
  /** The last lines that a cluster's job printed. It is asked for over the network of the cloud. */
  jobLog(clusterName: string, count: number, options: WaitOptions): Promise<string[]>
  /** Sets after how many idle minutes a cluster ends; null: never. */
  autodown(clusterName: string, idleMinutes: number | null, options?: CallOptions): Promise<void>
}

export interface SkyPilotInput {
  /** `http(s)://host:port`, without credentials. */
  readonly url: string
  /** Of a service account, `sky_…`; null for a server that asks for none. */
  readonly token: string | null
  readonly fetch?: Fetch | undefined
  /** A blocking get is renewed after this; 55 s: what stands between may cut a connection that is silent for longer. */
  readonly getMs?: number | undefined
}

const GET_MS = 55_000
const CALL_MS = 30_000
const STATUS_MS = 120_000
const DOWN_MS = 10 * 60_000
const WAIT_MS = 60 * 60_000

/** Ids are looked up by their beginning at the server: a short one could mean, and cancel, somebody else's request. */
const RequestId = z.string().regex(/^[\w-]{16,64}$/)

/** @throws Error when the URL is not one of http(s), or has credentials in it */
export function createSkyPilot({ url, token, fetch = undiciFetch, getMs = GET_MS }: SkyPilotInput): SkyPilot {
  const http = createSkyPilotHttp(url, token, fetch)
  const ownSecrets = token === null ? [] : [token]

  async function accepted(
    call: SkyPilotCall,
    limit: Deadline,
    hide: readonly string[] = [],
  ): Promise<SkyPilotReply> {
    const reply = await http.send(call, limit.signal)
    if (reply.status !== 200) throw http.refusal(reply, hide)
    return reply
  }

  async function submit(call: SkyPilotCall, limit: Deadline, hide: readonly string[] = []): Promise<string> {
    const { requestId } = await accepted(call, limit, hide)
    const id = RequestId.safeParse(requestId).data
    if (id === undefined) throw notSkyPilot()
    return id
  }

  /** A call whose result is waited for. */
  async function result<T>(
    call: SkyPilotCall,
    options: CallOptions,
    defaultMs: number,
    read: (value: unknown) => T,
  ): Promise<T> {
    using limit = startDeadline(options.deadlineMs ?? defaultMs, options.signal, lateReply)
    const requestId = await submit(call, limit)
    const { value } = await waitForRequest(http, requestId, { hide: ownSecrets, getMs }, limit)
    try {
      return read(value)
    } catch (error) {
      if (error instanceof z.ZodError) throw notSkyPilot()
      throw error
    }
  }

  async function requestList(query: URLSearchParams, options: CallOptions): Promise<SkyPilotRequest[]> {
    using limit = startDeadline(options.deadlineMs ?? CALL_MS, options.signal, lateReply)
    const reply = await accepted({ path: `/api/status?${query.toString()}` }, limit)
    const requests = readRequests(parseJson(reply.text))
    if (requests === null) throw notSkyPilot()
    return requests
  }

  return {
    async health(options = {}) {
      using limit = startDeadline(options.deadlineMs ?? CALL_MS, options.signal, lateReply)
      const { text } = await accepted({ path: '/api/health' }, limit)
      const health = readHealth(text)
      if (health === null) throw notSkyPilot()
      if (health.status === 'needs_auth')
        throw new SkyPilotError('unauthorized', "SkyPilot's API server does not accept the token")
      return health
    },
    async validate(task, options = {}) {
      using limit = startDeadline(options.deadlineMs ?? CALL_MS, options.signal, lateReply)
      const body = { dag: skyPilotYaml(task, 'names-only'), request_options: null }
      await accepted({ path: '/validate', body }, limit)
    },
    async launch(task, clusterName, options = {}) {
      using limit = startDeadline(options.deadlineMs ?? CALL_MS, options.signal, lateReply)
      const body = {
        task: skyPilotYaml(task, 'with-values'),
        cluster_name: checkedName(clusterName),
        retry_until_up: options.retryUntilUp ?? false,
        dryrun: options.dryrun ?? false,
        no_setup: false,
        fast: false,
      }
      return await submit({ path: '/launch', body }, limit, Object.values(task.secrets))
    },
    async wait(requestId, options) {
      using limit = startDeadline(options.deadlineMs ?? WAIT_MS, options.signal, lateReply)
      const { request, value } = await waitForRequest(
        http,
        checkedId(requestId),
        { hide: [...ownSecrets, ...options.hide], getMs },
        limit,
      )
      return { requestId, name: request.name, clusterName: request.clusterName, jobId: readJobId(value) }
    },
    async requests(requestIds, options = {}) {
      if (requestIds.length === 0) return []
      const query = new URLSearchParams()
      for (const id of requestIds) query.append('request_ids', checkedId(id))
      return await requestList(query, options)
    },
    async requestsOf(clusterName, options = {}) {
      const found = await requestList(
        new URLSearchParams({ cluster_name: checkedName(clusterName) }),
        options,
      )
      // Servers that do not know the filter answer with all.
      return found.filter((request) => request.clusterName === clusterName)
    },
    logs: (requestId, options) =>
      logLines(http, checkedId(requestId), { ...options, hide: [...ownSecrets, ...options.hide] }),
    async cancel(requestIds, options = {}) {
      // Without ids the server would cancel all requests.
      if (requestIds.length === 0) return []
      const body = { request_ids: requestIds.map(checkedId) }
      return await result({ path: '/api/cancel', body }, options, CALL_MS, readCancelled)
    },
    async status(clusterNames, options = {}) {
      if (clusterNames?.length === 0) return []
      const body = {
        cluster_names: clusterNames?.map(checkedName) ?? null,
        refresh: options.refresh ?? 'NONE',
        include_credentials: false,
        include_handle: false,
      }
      return await result({ path: '/status', body }, options, STATUS_MS, readClusters)
    },
    async endpoint(clusterName, port, options = {}) {
      const body = { cluster: checkedName(clusterName), port }
      return await result({ path: '/endpoints', body }, options, CALL_MS, (value) =>
        readEndpoint(value, port),
      )
    },
    async down(clusterName, options = {}) {
      const body = { cluster_name: checkedName(clusterName), purge: options.purge ?? false }
      await result({ path: '/down', body }, options, DOWN_MS, () => null)
    },
    async startDown(clusterName, options = {}) {
      using limit = startDeadline(options.deadlineMs ?? CALL_MS, options.signal, lateReply)
      const body = { cluster_name: checkedName(clusterName), purge: options.purge ?? false }
      return await submit({ path: '/down', body }, limit)
    },
    async jobStage(clusterName, options = {}) {
      const body = { cluster_name: checkedName(clusterName), job_ids: null }
      return await result({ path: '/job_status', body }, options, CALL_MS, readJobStage)
    },
    jobLog: (clusterName, count, options) =>
      jobLog(http, checkedName(clusterName), count, { ...options, hide: [...ownSecrets, ...options.hide] }),
    async autodown(clusterName, idleMinutes, options = {}) {
      const body = {
        cluster_name: checkedName(clusterName),
        // What SkyPilot takes for "never".
        idle_minutes: idleMinutes ?? -1,
        down: true,
      }
      await result({ path: '/autostop', body }, options, STATUS_MS, () => null)
    },
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  }
}

/** @throws TypeError for what is no id: a mistake of the caller's */
function checkedId(requestId: string): string {
  if (!RequestId.safeParse(requestId).success) throw new TypeError('not the id of a request')
  return requestId
}

/** @throws SkyPilotError `bad_task` for a name that SkyPilot would not accept, or would take for a pattern */
function checkedName(clusterName: string): string {
  if (!isClusterName(clusterName)) throw new SkyPilotError('bad_task', 'not a name for a cluster')
  return clusterName
}
