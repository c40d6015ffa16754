import type { KeyRole } from '../resolved-key.js'

/** Who calls, as the port's process found it. */
export type Actor =
  | { readonly kind: 'admin'; readonly name: string }
  | {
      readonly kind: 'key'
      readonly keyId: string
      readonly environmentId: string
      readonly tenantId: string
      readonly role: KeyRole
    }

/** One call of the contract, on its way from a port's process to a worker thread. */
export interface ContractTask {
  readonly endpointId: string
  /** Path parameters as they stood in the path, still percent-encoded. */
  readonly params: Readonly<Record<string, string>>
  /** Without the question mark. */
  readonly query: string
  readonly body: Uint8Array
  readonly actor: Actor
  readonly requestId: string
  readonly remoteAddress: string
}

/** The finished reply, on its way back. */
export interface ContractReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** What went wrong inside, for the log alone; null when nothing did. */
  readonly failure: string | null
}
