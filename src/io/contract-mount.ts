import { permits } from '../core/admin-scope.js'
import { type Endpoint, honoursIfMatch, isAudited, mediaTypeOf, scopeOf } from '../core/contract/endpoint.js'
import { errorOf } from '../core/contract/failure.js'
import { type IfMatch, parseIfMatch } from '../core/contract/etag.js'
import type { Actor, ContractReply, ContractTask } from '../core/contract/task.js'
import { GatewayError, toGatewayError } from '../core/errors.js'
import type { ProcessReports } from '../core/process-report.js'
import { createFollowers, type Followers } from './contract-follow.js'
import { createOpenParts, type OpenParts, replyInParts } from './reply-in-parts.js'
import type { HttpApp, HttpCall } from './uws.js'

/** Bodies of the contract are small; inference is not mounted here. */
const MAX_BODY_BYTES = 1024 * 1024

/** A caller whose body took longer to come is authenticated again. */
const RECHECK_MS = 100

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

/** Who calls, and what was presented as proof. */
export interface Authenticated {
  readonly actor: Actor
  readonly credential: string
}

export interface ContractMountOptions {
  readonly endpoints: readonly Endpoint[]
  /** Throws (or rejects with) the GatewayError for a caller who may not. */
  readonly authenticate: (call: HttpCall, endpoint: Endpoint) => Authenticated | Promise<Authenticated>
  /** Answers a caller whom `authenticate` did not let in; default: at once. */
  readonly refuse?: (call: HttpCall, error: GatewayError) => void
  readonly runTask: (task: ContractTask) => Promise<ContractReply>
  /** What the supervisor says of its processes; for endpoints that ask for it. */
  readonly askProcesses?: () => Promise<ProcessReports>
  /** Called after each change that succeeded, heartbeats excepted. */
  readonly afterChange?: () => void
  /** Told of failures inside that the client sees as a 503; a 500 goes to the app's own `onError`. */
  readonly onFailure: (error: GatewayError, call: HttpCall) => void
}

/**
 * Mounts endpoints of the contract on a port: who calls is found here, everything else (validation, SQL, JSON)
 * happens in a worker thread, whose bytes are sent as they are.
 */
export function mountContract(app: HttpApp, options: ContractMountOptions): void {
  const followers = createFollowers()
  const openParts = createOpenParts()
  for (const endpoint of options.endpoints) {
    app.route(endpoint.method, endpoint.path, (call) => {
      // Begun in the handler's own turn, as they must be; of a caller who is refused right here no body is read.
      const remoteAddress = call.remoteAddress()
      const fail = (thrown: unknown) => {
        const error = toGatewayError(thrown)
        if (error.status > 500 && error.cause !== undefined) options.onFailure(error, call)
        if (error.status === 401 && options.refuse !== undefined) options.refuse(call, error)
        else call.fail(error)
      }
      let authenticated: Authenticated | Promise<Authenticated>
      try {
        authenticated = options.authenticate(call, endpoint)
      } catch (thrown) {
        fail(thrown)
        return
      }
      const served = serve({
        endpoint,
        call,
        remoteAddress,
        authenticated,
        body: bodyOf(call),
        followers,
        openParts,
        options,
      })
      served.catch(fail)
      if (endpoint.deadlineMs !== undefined) failAfter(endpoint.deadlineMs, served, fail)
    })
  }
}

/** Fails a call whose reply is not there in time; the late one is then not sent. */
function failAfter(ms: number, served: Promise<void>, fail: (thrown: unknown) => void): void {
  const timer = setTimeout(() => {
    fail(new GatewayError('overloaded', { cause: `no reply within ${ms} ms` }))
  }, ms)
  const done = () => {
    clearTimeout(timer)
  }
  served.then(done, done)
}

function bodyOf(call: HttpCall): Promise<Buffer> {
  const body = new Promise<Buffer>((resolve, reject) => {
    call.readBody(MAX_BODY_BYTES, (bytes) => {
      if (bytes === null) reject(new GatewayError('body_too_large'))
      else resolve(bytes)
    })
  })
  // Nobody waits for it when the caller is refused first.
  body.catch(() => undefined)
  return body
}

/** A call that is to be answered. */
interface Served {
  readonly endpoint: Endpoint
  readonly call: HttpCall
  readonly remoteAddress: string
  readonly authenticated: Authenticated | Promise<Authenticated>
  readonly body: Promise<Buffer>
  readonly followers: Followers
  readonly openParts: OpenParts
  readonly options: ContractMountOptions
}

async function serve(served: Served): Promise<void> {
  const { endpoint, call, remoteAddress, authenticated, followers, openParts, options } = served
  const before = await authenticated
  requirePermission(endpoint, before.actor)
  const ifMatch = ifMatchOf(call, endpoint)
  const idempotencyKey = endpoint.method === 'POST' ? idempotencyKeyOf(call) : null
  const body = await served.body
  /** The caller as of now: a key may have been revoked since its request, or the reply, began. */
  const caller = async () => {
    const now = await options.authenticate(call, endpoint)
    requirePermission(endpoint, now.actor)
    return now
  }
  const mayStay = async () => {
    await caller()
  }
  const { actor, credential } = call.bodyWaitMs < RECHECK_MS ? before : await caller()
  const processes = endpoint.asksProcesses === true ? await options.askProcesses?.() : undefined
  if (call.closed) return
  const task: ContractTask = {
    endpointId: endpoint.id,
    params: call.params,
    query: call.query,
    body,
    ifMatch,
    actor,
    requestId: call.requestId,
    remoteAddress,
    ...(processes !== undefined && { processes }),
    idempotency: idempotencyKey === null ? null : { key: idempotencyKey, credential },
  }
  if (endpoint.follows === true) {
    await followers.follow(call, {
      ask: async (query) => successOf(await options.runTask({ ...task, query })),
      mayStay,
    })
    return
  }
  if (endpoint.inParts !== undefined) {
    await openParts.during(actor.kind === 'key' ? actor.tenantId : actor.kind, async () => {
      const { body: first, part } = successOf(await options.runTask(task))
      if (part === undefined) throw new GatewayError('internal_error')
      await replyInParts(call, {
        first: { body: first, part },
        next: (cursor) => options.runTask({ ...task, cursor }),
        mayStay,
      })
    })
    return
  }
  const reply = successOf(await options.runTask(task))
  // What is too frequent for the audit log is nothing that proxies have to hear of.
  if (isAudited(endpoint)) options.afterChange?.()
  call.reply(
    reply.status,
    {
      'content-type': mediaTypeOf(endpoint.replyType),
      'cache-control': 'no-store',
      ...(reply.etag !== null && { etag: reply.etag }),
    },
    Buffer.from(reply.body),
  )
}

/** @throws the error that a worker thread answered with */
function successOf(reply: ContractReply): Extract<ContractReply, { status: number }> {
  if ('error' in reply) throw errorOf(reply)
  return reply
}

/** @throws GatewayError role_not_allowed for a key, scope_not_allowed for an admin token */
function requirePermission(endpoint: Endpoint, actor: Actor): void {
  if (endpoint.auth === 'key') {
    if (actor.kind !== 'key' || !endpoint.roles.includes(actor.role))
      throw new GatewayError('role_not_allowed')
  } else if (endpoint.auth === 'node') {
    // Whether the caller is that node is for the worker to find out, which has its digest.
    if (actor.kind !== 'node') throw new GatewayError('scope_not_allowed')
  } else if (actor.kind !== 'admin' || !permits(actor.scope, scopeOf(endpoint))) {
    throw new GatewayError('scope_not_allowed')
  }
}

/** @throws GatewayError not_supported where it could not be honoured: to pass over it would lose an update */
function ifMatchOf(call: HttpCall, endpoint: Endpoint): IfMatch | null {
  const header = call.header('if-match')
  if (header === undefined) return null
  if (honoursIfMatch(endpoint)) return parseIfMatch(header)
  throw new GatewayError('not_supported', {
    param: 'If-Match',
    message: 'If-Match does not apply to this operation: leave it out.',
  })
}

function idempotencyKeyOf(call: HttpCall): string | null {
  const key = call.header('idempotency-key')
  if (key === undefined) return null
  if (IDEMPOTENCY_KEY.test(key)) return key
  throw new GatewayError('invalid_parameter', {
    param: 'Idempotency-Key',
    message: 'The Idempotency-Key must be 1 to 255 visible ASCII characters.',
  })
}
