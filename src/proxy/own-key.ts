import { GatewayError } from '../core/errors.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { HttpCall } from '../io/uws.js'
import type { KeyAuth } from './key-auth.js'

/** A GET needs no body; one that is announced all the same is bounded as everywhere. */
const MAX_BODY_BYTES = 1024 * 1024

/**
 * Has a GET of this port answered for the key that calls, of whatever role. What is thrown or rejected with, by the key's
 * check or by `answer`, is the reply.
 */
export function withKey(
  auth: KeyAuth,
  call: HttpCall,
  answer: (key: ResolvedKey) => void | Promise<void>,
): void {
  const authorization = call.header('authorization')
  const fail = (error: unknown) => {
    auth.refuse(error, () => {
      call.fail(error)
    })
  }
  const reply = (key: ResolvedKey) => {
    try {
      if (call.contentLength > MAX_BODY_BYTES) throw new GatewayError('body_too_large')
      if (key.tenantStatus === 'suspended') throw new GatewayError('tenant_suspended')
      answer(key)?.catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  const key = auth.known(authorization)
  if (key !== null) reply(key)
  else auth.resolve(authorization).then(reply, fail)
}
