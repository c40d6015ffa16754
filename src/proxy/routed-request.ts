import { hash } from 'node:crypto'
import type { PolicyRequest } from '../core/policies/policy.js'
import type { RequestHead } from '../core/request-head.js'
import type { HttpCall } from '../io/uws.js'

const SESSION_HEADER = 'x-session-id'
const SESSION_COOKIE = /(?:^|;\s*)crosslogic_session=([^;]+)/
/** A longer name of a session is none. */
const MOST_SESSION_CHARACTERS = 512

/** What routing may know of a request; worked out when a route asks for it. */
export class RoutedRequest implements PolicyRequest {
  readonly #call: Pick<HttpCall, 'header'>
  readonly #head: RequestHead
  readonly #tenantId: string
  #session: number | null | undefined

  constructor(call: Pick<HttpCall, 'header'>, head: RequestHead, tenantId: string) {
    this.#call = call
    this.#head = head
    this.#tenantId = tenantId
  }

  prefix(): readonly number[] {
    return []
  }

  /** A number that the session's requests share, by its header, its cookie or the body's `user`; null without one. */
  get session(): number | null {
    if (this.#session === undefined) {
      const name = this.#sessionName()
      this.#session = name === null ? null : salted(this.#tenantId, name)
    }
    return this.#session
  }

  #sessionName(): string | null {
    const name =
      this.#call.header(SESSION_HEADER) ??
      SESSION_COOKIE.exec(this.#call.header('cookie') ?? '')?.[1] ??
      this.#head.user
    return name === null || name === '' || name.length > MOST_SESSION_CHARACTERS ? null : name
  }
}

/** 48 bits of a hash: the same in every process. */
export function salted(salt: string, name: string): number {
  return parseInt(hash('sha256', `${salt}\n${name}`).slice(0, 12), 16)
}
