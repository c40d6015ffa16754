import type { ErrorCode } from '../../../src/core/errors.js'
import type { ContractPort } from '../contract-port.js'

/** A call of an endpoint that succeeds: what it needs is there when it is made. */
export interface Call {
  /** With its parameters filled in, and a query where one is needed. */
  readonly path: string
  readonly body?: unknown
  /** Beside those of an administrator. */
  readonly headers?: Record<string, string>
  /** Who the audit log says that it was; default the administrator. */
  readonly actor?: string
  /** It is valid but cannot succeed in this version: what it is answered with. */
  readonly refused?: ErrorCode
}

/** Prepares what an endpoint's call needs, anew for each call, and answers the call. */
export type Prepare = (port: ContractPort) => Promise<Call>

/** By endpoint id. */
export type Calls = Readonly<Record<string, Prepare>>

/** Sends a POST that must succeed. @returns its reply's body */
export async function made(port: ContractPort, path: string, body: unknown) {
  const reply = await port.send('POST', path, body)
  if (reply.status >= 300) throw new Error(`POST ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body
}
