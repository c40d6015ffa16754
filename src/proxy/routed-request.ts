import { sessionHash } from '../core/policies/sticky.js'
import { prefixHashes } from '../core/prompt-prefix.js'
import type { RequestHead } from '../core/request-head.js'
import type { HttpCall } from '../io/uws.js'
import type { Routable } from './routing.js'

const SESSION_HEADER = 'x-session-id'
const SESSION_COOKIE = /(?:^|;\s*)crosslogic_session=([^;]+)/
/** A longer name of a session is none. */
const MOST_SESSION_CHARACTERS = 512

/** What routing may know of a request; worked out once, when a route asks for it. */
export class RoutedRequest implements Routable {
  readonly #call: Pick<HttpCall, 'header'>
  readonly #head: RequestHead
  readonly #tenantId: string
  /** Until the prefix has been worked out; the request lives longer than its body. */
  #body: Buffer | null
  #prefix: readonly number[] | null = null
  #session: number | null | undefined

  constructor(call: Pick<HttpCall, 'header'>, head: RequestHead, body: Buffer, tenantId: string) {
    this.#call = call
    this.#head = head
    this.#body = body
    this.#tenantId = tenantId
  }

  prefix(): readonly number[] {
    if (this.#prefix === null) {
      const { promptStart, promptEnd } = this.#head
      const body = this.#body
      this.#prefix = body === null ? [] : prefixHashes(body, promptStart, promptEnd, this.#tenantId)
      this.#body = null
    }
    return this.#prefix
  }

  /** By the session's header, its cookie or the body's `user`. */
  get session(): number | null {
    if (this.#session === undefined) {
      const name = this.#sessionName()
      this.#session = name === null ? null : sessionHash(this.#tenantId, name)
    }
    return this.#session
  }

  /** The body's memory is about to be used for something else: what has not been worked out stays unknown. */
  forgetBody(): void {
    this.#body = null
  }

  #sessionName(): string | null {
    const name =
      this.#call.header(SESSION_HEADER) ??
      SESSION_COOKIE.exec(this.#call.header('cookie') ?? '')?.[1] ??
      this.#head.user
    return name === null || name === '' || name.length > MOST_SESSION_CHARACTERS ? null : name
  }
}
