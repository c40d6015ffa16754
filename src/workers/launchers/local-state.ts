/** How far a launch on this machine has come. `stopped` and `failed` are ends; `failed` says why. */
export type LocalStage =
  'installing' | 'model_loading' | 'health_check' | 'active' | 'stopping' | 'stopped' | 'failed'

export interface LocalState {
  readonly stage: LocalStage
  /** 0 to 100, of the present start. */
  readonly progress: number
  /** The stages that were entered, in order, the last 100; Unix milliseconds. */
  readonly stages: readonly { readonly stage: LocalStage; readonly at: number }[]
  /** `http://127.0.0.1:port`; null: not chosen yet. A restart may move it. */
  readonly endpointUrl: string | null
  readonly pid: number | null
  /** Starts of this node by this process of the gateway; 0: what runs was started by another one. */
  readonly starts: number
  /** Why the last start ended, or why it is given up; null: nothing has gone wrong since it was last active. */
  readonly error: string | null
}

const STAGES_KEPT = 100

/** The state after a stage was entered, or gone on with. */
export function entered(
  state: LocalState,
  stage: LocalStage,
  now: number,
  changes: Partial<Omit<LocalState, 'stage' | 'stages'>> = {},
): LocalState {
  const stages =
    state.stages.at(-1)?.stage === stage
      ? state.stages
      : [...state.stages, { stage, at: now }].slice(-STAGES_KEPT)
  return { ...state, ...changes, stage, stages }
}

const LOADING_FROM = 10
const LOADING_TO = 80
const CHECKING = 90

/**
 * Progress of a start in percent. How far an engine has loaded its model it does not say: of that time, the share of its
 * time-out that has passed stands for it.
 */
export function startProgress(
  stage: 'model_loading' | 'health_check',
  elapsedMs: number,
  timeoutMs: number,
): number {
  if (stage === 'health_check') return CHECKING
  const share = Math.min(1, Math.max(0, elapsedMs / timeoutMs))
  return LOADING_FROM + Math.floor((LOADING_TO - LOADING_FROM) * share)
}

export interface RestartRule {
  readonly first_pause_seconds: number
  readonly longest_pause_seconds: number
}

/**
 * How long to wait before the next start, in milliseconds.
 * @param failures in a row, from 1
 * @param random 0 up to 1; takes up to a fifth off, so that nodes which failed together do not return together
 */
export function restartPauseMs(failures: number, rule: RestartRule, random: number): number {
  const seconds = Math.min(
    rule.longest_pause_seconds,
    rule.first_pause_seconds * 2 ** Math.min(failures - 1, 30),
  )
  return Math.round(seconds * 1000 * (1 - random / 5))
}
