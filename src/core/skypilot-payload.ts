/**
 * What SkyPilot's API server answers, read strictly where something is decided by it and leniently elsewhere, so that a
 * newer server with more fields, or another word for a status, still works. Results and errors are JSON texts inside
 * JSON. The fields `entrypoint`, `request_body`, `handle` and `object` are pickles of Python's: they are never read.
 */
import { z } from 'zod'

const REQUEST_STATUSES = ['PENDING', 'WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const
export type SkyPilotRequestStatus = (typeof REQUEST_STATUSES)[number]

const CLUSTER_STATUSES = ['INIT', 'UP', 'STOPPED', 'AUTOSTOPPING', 'PENDING'] as const
/** `UNKNOWN`: a word that is not among those of API version 62. */
export type SkyPilotClusterStatus = (typeof CLUSTER_STATUSES)[number] | 'UNKNOWN'

const seconds = z.number().nonnegative().max(8.64e12)
const moment = seconds.transform((value) => new Date(value * 1000)).nullish()
const word = z.string().nullish()

const RequestPayload = z
  .object({
    request_id: z.string().min(1),
    name: z.string(),
    // A status that this client does not know ends nothing: the request is still under way.
    status: z.enum(REQUEST_STATUSES).catch('RUNNING'),
    return_value: word,
    error: word,
    cluster_name: word,
    status_msg: word,
    created_at: moment,
    finished_at: moment,
    should_retry: z.boolean().nullish(),
  })
  .transform((payload) => ({
    requestId: payload.request_id,
    /** `sky.launch`, `sky.down`… */
    name: payload.name,
    status: payload.status,
    clusterName: payload.cluster_name ?? null,
    statusMessage: payload.status_msg ?? null,
    createdAt: payload.created_at ?? null,
    finishedAt: payload.finished_at ?? null,
    /** The server gave it up while it restarted; it has to be asked anew. */
    shouldRetry: payload.should_retry ?? false,
    returnValue: payload.return_value ?? 'null',
    error: payload.error ?? 'null',
  }))
export type SkyPilotRequest = z.output<typeof RequestPayload>

/** How a request ended; its value still has the shape that its call gives it. */
export type RequestEnd =
  | { readonly end: 'succeeded'; readonly value: unknown }
  | { readonly end: 'failed'; readonly type: string | null; readonly message: string }
  | { readonly end: 'cancelled' }
  | { readonly end: 'lost' }
  | { readonly end: 'unfinished' }
  | { readonly end: 'unreadable' }

const RequestError = z.object({ type: z.string(), message: z.string() })

/** A payload of `/api/get` or an element of `/api/status`; null when it is none. */
export function readRequest(value: unknown): SkyPilotRequest | null {
  return RequestPayload.safeParse(value).data ?? null
}

/** The payloads of `/api/status`; null when it is no such list. One that cannot be read must not pass for absent. */
export function readRequests(value: unknown): SkyPilotRequest[] | null {
  if (!Array.isArray(value)) return null
  const requests = value.map((item: unknown) => readRequest(item))
  return requests.every((request) => request !== null) ? requests : null
}

/** How a request ended, by its payload. */
export function requestEnd(request: SkyPilotRequest): RequestEnd {
  switch (request.status) {
    case 'PENDING':
    case 'WAITING':
    case 'RUNNING':
      return { end: 'unfinished' }
    case 'SUCCEEDED':
    case 'FAILED':
    case 'CANCELLED':
      break
  }
  if (request.shouldRetry) return { end: 'lost' }
  // The server takes a request with an error for a failed one, whatever its status.
  const error = RequestError.safeParse(parseJson(request.error)).data
  if (error !== undefined) return { end: 'failed', type: error.type, message: error.message }
  if (request.status === 'CANCELLED') return { end: 'cancelled' }
  if (request.status === 'FAILED')
    return { end: 'failed', type: null, message: request.statusMessage ?? 'no reason was given' }
  const value = parseJson(request.returnValue)
  return value === undefined ? { end: 'unreadable' } : { end: 'succeeded', value }
}

const ErrorReply = z.union([
  // What an exception of the server's becomes. Its arguments and its stack are not read.
  z.object({ detail: RequestError }).transform(({ detail }) => detail),
  z.object({ detail: z.string() }).transform(({ detail }) => ({ type: null, message: detail })),
  // What the body's validation says. Beside them stands `input`, which is the body, secrets and all.
  z
    .object({
      detail: z.array(z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })),
    })
    .transform(({ detail }) => ({
      type: null,
      message: detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; '),
    })),
  // Of the version check.
  z.object({ error: z.string(), message: z.string() }).transform(({ message }) => ({ type: null, message })),
])

/** What a reply with an error status says of itself; null when it is not an answer of SkyPilot's. */
export function readErrorReply(text: string): { type: string | null; message: string } | null {
  return ErrorReply.safeParse(parseJson(text)).data ?? null
}

const FailedGet = z.object({ detail: z.unknown() })

/** The payload inside a 500 of `/api/get`; null when there is none. */
export function readFailedRequest(text: string): SkyPilotRequest | null {
  return readRequest(FailedGet.safeParse(parseJson(text)).data?.detail)
}

const Clusters = z.array(
  z
    .object({
      name: z.string(),
      status: z.union([z.enum(CLUSTER_STATUSES), z.string().transform(() => 'UNKNOWN' as const)]),
      launched_at: moment,
      cloud: word,
      region: word,
      cluster_ever_up: z.boolean().nullish(),
    })
    .transform(({ name, status, launched_at, cloud, region, cluster_ever_up }) => ({
      name,
      status,
      launchedAt: launched_at ?? null,
      /** Whether it has been UP, which one that SkyPilot is in doubt of, and calls INIT again, has. */
      everUp: cluster_ever_up ?? false,
      cloud: cloud?.toLowerCase() ?? null,
      region: region ?? null,
    })),
)
/** A cluster that SkyPilot knows; one that is gone is in no list. */
export type SkyPilotCluster = z.output<typeof Clusters>[number]

/** What `/status` returns. @throws z.ZodError when it is no list of clusters */
export function readClusters(value: unknown): SkyPilotCluster[] {
  return Clusters.parse(value)
}

/** The URL of a port out of what `/endpoints` returns: `{"8000": "host:port"}`. Null when the port is not open (yet). */
export function readEndpoint(value: unknown, port: number): string | null {
  const endpoint = z.record(z.string(), z.string()).parse(value)[String(port)]
  if (endpoint === undefined) return null
  const url = /^https?:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`
  return URL.canParse(url) ? url.replace(/\/$/, '') : null
}

const Launched = z.object({ job_id: z.int().nullable() })

/** The number of the job on its cluster that a launch returned; null after a dry run and for other requests. */
export function readJobId(value: unknown): number | null {
  return Launched.safeParse(value).data?.job_id ?? null
}

/** Of a job: its set-up runs, it runs, or it is over. */
export type SkyPilotJobStage = 'setting_up' | 'running' | 'ended'

const ENDED_JOBS: readonly string[] = ['SUCCEEDED', 'FAILED', 'FAILED_SETUP', 'FAILED_DRIVER', 'CANCELLED']
const SETTING_UP: readonly string[] = ['INIT', 'PENDING', 'SETTING_UP']
const JobStatuses = z.record(z.string(), z.string().nullable())

/**
 * The stage of the last job out of what `/job_status` returns: `{"1": "RUNNING"}`; null when there is none. A word that is
 * not known ends nothing.
 * @throws z.ZodError when it is no such record
 */
export function readJobStage(value: unknown): SkyPilotJobStage | null {
  const jobs = Object.entries(JobStatuses.parse(value)).sort(([one], [other]) => Number(one) - Number(other))
  const status = jobs.at(-1)?.[1] ?? null
  if (status === null) return null
  return ENDED_JOBS.includes(status) ? 'ended' : SETTING_UP.includes(status) ? 'setting_up' : 'running'
}

const Cancelled = z.array(z.string())

/** The ids of the requests that `/api/cancel` ended. */
export function readCancelled(value: unknown): string[] {
  return Cancelled.safeParse(value).data ?? []
}

const Health = z.object({
  status: z.string(),
  api_version: z.union([z.string(), z.number()]).nullish(),
  version: word,
})

/** What `/api/health` says; null when it is not SkyPilot that answers. */
export function readHealth(text: string): SkyPilotHealth | null {
  const health = Health.safeParse(parseJson(text)).data
  if (health === undefined) return null
  const apiVersion = Number(health.api_version ?? Number.NaN)
  return {
    status: health.status,
    apiVersion: Number.isInteger(apiVersion) ? apiVersion : null,
    version: health.version ?? null,
  }
}

export interface SkyPilotHealth {
  /** `healthy`, `needs_auth`, `unhealthy`, `version_mismatch`. */
  readonly status: string
  readonly apiVersion: number | null
  readonly version: string | null
}

/** A JSON text's value; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
