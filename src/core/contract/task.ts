import type { AdminScope } from '../admin-scope.js'
import type { ApiPort } from '../api-titles.js'
import type { ModelFigures } from '../model-figures.js'
import type { ProcessReports } from '../process-report.js'
import type { KeyRole } from '../resolved-key.js'
import type { IfMatch } from './etag.js'
import type { ContractFailure } from './failure.js'

/** Who calls, as the port's process found it. */
export type Actor =
  | { readonly kind: 'admin'; readonly name: string; readonly scope: AdminScope }
  | {
      readonly kind: 'key'
      readonly keyId: string
      readonly environmentId: string
      readonly tenantId: string
      readonly role: KeyRole
    }
  /** Says to be the agent of that node; the worker compares the digest of its token. */
  | { readonly kind: 'node'; readonly nodeId: string; readonly tokenDigest: Uint8Array }

/** A named admin token as its look-up finds it. */
export interface FoundAdminToken {
  readonly name: string
  readonly scope: AdminScope
}

/** What a worker thread answers of a named token; null: there is none that holds. */
export type AdminTokenAnswer = { readonly found: FoundAdminToken | null } | ContractFailure

/** What a worker thread answers of how all models did of late. */
export type ModelFiguresAnswer = { readonly figures: readonly ModelFigures[] } | ContractFailure

/** One call of the contract, on its way from a port's process to a worker thread. */
export interface ContractTask {
  readonly endpointId: string
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** Without the question mark. */
  readonly query: string
  readonly body: Uint8Array
  /** Which version the caller means to change; null: whatever it is. */
  readonly ifMatch: IfMatch | null
  readonly actor: Actor
  readonly requestId: string
  readonly remoteAddress: string
  /** Of a reply in parts: which one is wanted, as the one before said; left out: the first. */
  readonly cursor?: string
  /** For an endpoint that asks for it. */
  readonly processes?: ProcessReports
  /** Of a POST that may be sent twice, with the credential that was presented; null: none. */
  readonly idempotency: { readonly key: string; readonly credential: string } | null
}

export interface ContractPart {
  readonly contentType: string
  /** What a browser saves it as. */
  readonly fileName: string
  /** Cursor of the next part; null: this is the last one. */
  readonly next: string | null
}

/** What came of it, on its way back. */
export type ContractReply =
  | {
      readonly status: number
      readonly body: Uint8Array
      /** In its quotes; null: the reply is no row with a version. */
      readonly etag: string | null
      /** The body is one part of a longer reply, which is no JSON. */
      readonly part?: ContractPart
      /** Of a part of an event stream: what the next part comes after; null: there is none. */
      readonly after?: string | null
    }
  | ContractFailure

/** Which API reference is wanted. */
export interface DocumentsTask {
  readonly port: ApiPort
  /** Where clients reach the API; null: where they found the document. */
  readonly serverUrl: string | null
}

/** The OpenAPI document of a port, in both of its forms. */
export interface ApiDocuments {
  readonly json: string
  readonly yaml: string
}

export interface DocumentsAnswer {
  readonly documents: ApiDocuments
}
