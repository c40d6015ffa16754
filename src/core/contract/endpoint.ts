import type { z } from 'zod'
import type { AdminScope } from '../admin-scope.js'
import type { ErrorCode } from '../errors.js'
import type { KeyRole } from '../resolved-key.js'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

interface EndpointBase {
  /** Names the handler in src/workers/handlers, `<resource>.<verb>`. */
  readonly id: string
  readonly method: Method
  /** OpenAPI form: `/admin/tenants/{id}`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  /** More than a line, for the documentation; Markdown. */
  readonly description?: string
  /** It can answer as `text/event-stream` as well. */
  readonly streams?: true
  /** The reply is no JSON but text of one of these content types, made and sent part by part. */
  readonly inParts?: readonly string[]
  /** A reply that takes longer, in milliseconds, is worth nothing: a 503 is sent instead. */
  readonly deadlineMs?: number
  /** It needs to know what the supervisor says of its processes. */
  readonly asksProcesses?: true
  /**
   * It answers with an event stream: its handler is asked for what there is, and then again and again for what has
   * come since.
   */
  readonly follows?: true
  /**
   * The resource is a row with a version: replies that show it carry that as a strong ETag, and what changes an
   * existing one honours If-Match.
   */
  readonly versioned?: true
  /** A change that leaves no entry in the audit log: a machine's word on itself, many times a minute. */
  readonly audited?: false
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** What a body is written in; default JSON. Of YAML, which JSON is too, one document as src/core/contract/yaml-body.ts says. */
  readonly bodyType?: 'yaml'
  /** What a reply is written in; default JSON. Errors are JSON everywhere. */
  readonly replyType?: 'yaml'
  /** Status → schema of the reply. A success; of what is mounted by hand also refusals that are no errors. */
  readonly reply: Readonly<Record<number, z.ZodType>>
  /** What it can answer beside the errors that every endpoint has (400s, 401, 500). */
  readonly errors: readonly ErrorCode[]
}

export interface AdminEndpoint extends EndpointBase {
  readonly auth: 'admin'
  /** What the token needs for a change; default `admin`. A GET needs `read`. */
  readonly scope?: 'operate'
}

export interface TenantEndpoint extends EndpointBase {
  readonly auth: 'key'
  /** Key roles that may call it. */
  readonly roles: readonly KeyRole[]
}

/** For the agent on a node: its path names the node as `{id}`, and the caller proves to be that node. */
export interface NodeEndpoint extends EndpointBase {
  readonly auth: 'node'
  /** Whether the caller is that node is found in the transaction of its change. */
  readonly method: 'POST'
}

export type Endpoint = AdminEndpoint | TenantEndpoint | NodeEndpoint

/** What stands on both ports without a credential; mounted by hand, declared for the documentation. */
export interface PublicEndpoint extends EndpointBase {
  readonly auth: 'none'
  /** Of the reply; default JSON. */
  readonly contentType?: string
}

/** The scope that an admin token needs for an endpoint. */
export function scopeOf({ method, scope }: AdminEndpoint): AdminScope {
  return method === 'GET' ? 'read' : (scope ?? 'admin')
}

/** Whether a request may say which version it means to change: what creates a row has none to name. */
export function honoursIfMatch({ method, versioned, params, reply }: Endpoint): boolean {
  return versioned === true && method !== 'GET' && params !== undefined && !('201' in reply)
}

/** Whether its success leaves an entry in the audit log. */
export function isAudited({ method, audited }: Endpoint): boolean {
  return method !== 'GET' && audited !== false
}

/** The media type of a body or reply. */
export function mediaTypeOf(type: 'yaml' | undefined): string {
  return type === 'yaml' ? 'application/yaml' : 'application/json'
}

export type DocumentedEndpoint = Endpoint | PublicEndpoint

/** Declares an endpoint. Routing, validation, the OpenAPI document and the docs page are derived from it. */
export function endpoint<const E extends Endpoint>(declaration: E): E {
  return declaration
}
