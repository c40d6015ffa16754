import { redactedText } from './redact.js'

/**
 * What went wrong at SkyPilot, as far as anybody decides by it:
 *
 * - `unreachable`: no answer, or one that is not SkyPilot's; whether the call was heard is not known
 * - `deadline`: the call's own time was over
 * - `unauthorized`: the token is missing, wrong or expired, or does not permit this
 * - `no_capacity`: nobody has such a machine now; elsewhere or later somebody may
 * - `cluster_does_not_exist`, `cluster_not_up`
 * - `bad_task`: SkyPilot does not accept what it was sent; sending it again is no use
 * - `request_lost`: the server does not know the request any more, or gave it up in a restart: look at the cluster, and
 *   ask anew
 * - `cancelled`: somebody cancelled the request
 * - `failed`: anything else
 */
export const SKYPILOT_ERROR_KINDS = [
  'unreachable',
  'deadline',
  'unauthorized',
  'no_capacity',
  'cluster_does_not_exist',
  'cluster_not_up',
  'bad_task',
  'request_lost',
  'cancelled',
  'failed',
] as const
export type SkyPilotErrorKind = (typeof SKYPILOT_ERROR_KINDS)[number]

/** An error of SkyPilot's, or on the way there. Its message is fit for logs and replies: see {@link shownText}. */
export class SkyPilotError extends Error {
  override readonly name = 'SkyPilotError'
  readonly kind: SkyPilotErrorKind
  /** The name of the exception at the server, e.g. `ResourcesUnavailableError`; null when there was none. */
  readonly type: string | null

  constructor(kind: SkyPilotErrorKind, message: string, type: string | null = null) {
    super(message)
    this.kind = kind
    this.type = type
  }
}

/** Exceptions of `sky/exceptions.py` by name. `ValueError` is what the readers of a task's YAML raise. */
const KINDS: ReadonlyMap<string, SkyPilotErrorKind> = new Map([
  ['ResourcesUnavailableError', 'no_capacity'],
  ['KubeAPIUnreachableError', 'no_capacity'],
  ['NoClusterLaunchedError', 'no_capacity'],
  ['ClusterDoesNotExist', 'cluster_does_not_exist'],
  ['ClusterNotUpError', 'cluster_not_up'],
  ['InvalidClusterNameError', 'bad_task'],
  ['InvalidSkyPilotConfigError', 'bad_task'],
  ['NotSupportedError', 'bad_task'],
  ['ProvisionUnsupportedError', 'bad_task'],
  ['ResourcesMismatchError', 'bad_task'],
  ['UserRequestRejectedByPolicy', 'bad_task'],
  ['ValueError', 'bad_task'],
  ['RequestCancelled', 'cancelled'],
  ['RequestInterruptedError', 'request_lost'],
  ['PermissionDeniedError', 'unauthorized'],
  ['NoWorkspaceAccessError', 'unauthorized'],
])

/** What an exception of the server's means. */
export function skyPilotErrorKind(type: string): SkyPilotErrorKind {
  return KINDS.get(type) ?? 'failed'
}

/** A failure may quote whole scripts; nobody reads more than this. */
const MOST_SHOWN = 2_000
/** The colours and cursor movements of a terminal. */
const TERMINAL_CODES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g
/** A token of a SkyPilot service account. */
const SKYPILOT_TOKEN = /\bsky_[\w.-]{16,}/g

/**
 * Text of the server's as it may be shown: without a terminal's codes and without secrets. The server does not know what
 * was secret in a command that it quotes, so the caller names it.
 * @param hide values that must not appear
 */
export function shownText(text: string, hide: readonly string[]): string {
  let shown = text.replace(TERMINAL_CODES, '')
  // The longest first: one may be the beginning of another.
  const secrets = hide.filter((value) => value !== '').sort((a, b) => b.length - a.length)
  for (const secret of secrets) shown = shown.replaceAll(secret, '***')
  return redactedText(shown.replace(SKYPILOT_TOKEN, '***'))
}

/** The same for the message of an error, which is cut to a length that people read. */
export function shownMessage(text: string, hide: readonly string[]): string {
  const shown = shownText(text, hide).trim()
  return shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}…` : shown
}
