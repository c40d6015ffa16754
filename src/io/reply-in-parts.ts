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
}

/**
 * Sends a reply that is made part by part: the next one is asked for when the client has taken the one before, and none
 * when it has left, so that neither memory nor a connection to a store is held for a slow one.
 * @throws GatewayError when a part cannot be made; the connection was cut then, since the status has been sent
 */
export async function replyInParts(call: HttpCall, { first, next }: PartsOptions): Promise<void> {
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
  /** Until the client can take more, or is gone. */
  const room = async () => {
    if (!taken) await new Promise<void>((resolve) => (goOn = resolve))
    taken = true
  }
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
    try {
      const reply = await next(part.next)
      if ('error' in reply) throw errorOf(reply)
      if (reply.part === undefined) throw new GatewayError('internal_error')
      body = reply.body
      part = reply.part
    } catch (error) {
      call.cut()
      throw error
    }
  }
  call.end('')
}
