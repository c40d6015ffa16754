import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '../core/errors.js'
import { errorOf } from '../core/contract/failure.js'
import type { ContractPart, ContractReply } from '../core/contract/task.js'
import type { HttpCall } from './uws.js'

/**
 * What is written at once. A slow client's socket says that it can take more when a good part of its buffer is free,
 * which is more than this: so that what waits for it in memory does not grow with each time.
 */
const SLICE_BYTES = 16 * 1024

export interface PartsOptions {
  readonly first: { readonly body: Uint8Array; readonly part: ContractPart }
  /** Has the part made that a cursor points to. */
  readonly next: (cursor: string) => Promise<ContractReply>
  /** Rejects when the caller may no longer: a key can be revoked while a reply lasts. */
  readonly mayStay: () => Promise<void>
}

/** A caller that takes a part slowly is checked so often, beside each time that a part is made. */
const CHECK_MS = 1_000
/** Where the workers are too busy for the next part, it is asked for again after this, and then twice that… */
const RETRY_MS = 250
const MOST_RETRIES = 5

/**
 * Sends a reply that is made part by part: the next one is asked for when the client has taken the one before, and none
 * when it has left, so that neither memory nor a connection to a store is held for a slow one.
 * @throws GatewayError when a part cannot be made or the caller may no longer have it; the connection was cut then, since
 * the status has been sent
 */
export async function replyInParts(call: HttpCall, { first, next, mayStay }: PartsOptions): Promise<void> {
  const headers = {
    'content-type': first.part.contentType,
    'content-disposition': `attachment; filename="${first.part.fileName}"`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  if (call.method === 'HEAD') {
    call.reply(200, headers, '')
    return
  }
  let goOn = () => {}
  const wake = () => {
    goOn()
  }
  call.onAbort(wake)
  call.onWritable(wake)
  let taken = call.start(200, headers, '')
  let checkedAt = performance.now()
  /** Until the client can take more, or is gone. */
  const room = async () => {
    if (!taken) await new Promise<void>((resolve) => (goOn = resolve))
    taken = true
    if (call.closed || performance.now() - checkedAt < CHECK_MS) return
    await mayStay()
    checkedAt = performance.now()
  }
  try {
    let { body, part }: PartsOptions['first'] = first
    for (;;) {
      for (let at = 0; at < body.length && !call.closed; at += SLICE_BYTES) {
        await room()
        taken = call.write(Buffer.from(body.subarray(at, at + SLICE_BYTES)))
      }
      if (call.closed) return
      if (part.next === null) break
      await room()
      if (call.closed) return
      await mayStay()
      ;({ body, part } = await partAfter(part.next, next))
    }
  } catch (error) {
    call.cut()
    throw error
  }
  call.end('')
}

/** @throws GatewayError when it cannot be made */
async function partAfter(cursor: string, next: PartsOptions['next']): Promise<PartsOptions['first']> {
  for (let retries = 0; ; retries++) {
    const reply = await next(cursor)
    if (!('error' in reply)) {
      if (reply.part === undefined) throw new GatewayError('internal_error')
      return { body: reply.body, part: reply.part }
    }
    if (reply.error !== 'overloaded' || retries === MOST_RETRIES) throw errorOf(reply)
    await sleep(RETRY_MS * 2 ** retries)
  }
}

/** Replies in parts of one port: how many may be open. */
export interface OpenParts {
  /** Counts a reply of this caller until `reply` has ended. @throws GatewayError overloaded when there are too many */
  during(caller: string, reply: () => Promise<void>): Promise<void>
}

/** @param most at once, @param mostOfOne of one caller: each part is work for the threads that answer everybody */
export function createOpenParts(most = 8, mostOfOne = 2): OpenParts {
  const open = new Map<string, number>()
  let all = 0
  return {
    async during(caller, reply) {
      const own = open.get(caller) ?? 0
      if (all >= most || own >= mostOfOne) {
        const message = 'Too many exports are under way; try again when one has ended.'
        throw new GatewayError('overloaded', { message, retryAfterMs: 5_000 })
      }
      all++
      open.set(caller, own + 1)
      try {
        await reply()
      } finally {
        all--
        const left = (open.get(caller) ?? 1) - 1
        if (left === 0) open.delete(caller)
        else open.set(caller, left)
      }
    },
  }
}
