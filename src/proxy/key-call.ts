import { GatewayError } from '../core/errors.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { HttpCall } from '../io/uws.js'
import type { KeyAuth } from './key-auth.js'

/** A GET needs no body; one that is announced all the same is bounded as everywhere. */
const MAX_BODY_BYTES = 1024 * 1024
const JSON_HEADERS = { 'content-type': 'application/json' }

/** Answers a GET that any key of an active tenant may make, without a query, with what the process itself knows. */
export function withKey(auth: KeyAuth, call: HttpCall, answer: (key: ResolvedKey) => unknown): void {
  // What uWebSockets.js demands of a call that is not answered in its own turn.
  call.onAbort(() => {})
  void reply(auth, call, answer).catch((error: unknown) => {
    call.fail(error)
  })
}

async function reply(auth: KeyAuth, call: HttpCall, answer: (key: ResolvedKey) => unknown): Promise<void> {
  const authorization = call.header('authorization')
  const key = auth.known(authorization) ?? (await auth.resolve(authorization))
  if (call.contentLength > MAX_BODY_BYTES) throw new GatewayError('body_too_large')
  if (key.tenantStatus === 'suspended') throw new GatewayError('tenant_suspended')
  call.refuseQuery()
  const answered = await answer(key)
  call.reply(200, JSON_HEADERS, JSON.stringify(answered))
}
