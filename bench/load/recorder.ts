import { createHistogram, encode, record } from './latency-histogram.js'
import type { ErrorPart, ResultPart, SecondPart, StepPart } from './generator-messages.js'
import { stepAt, type Profile } from './profile.js'
import { isGood, type Slo } from './slo.js'

/** Why a request failed. */
export interface Failure {
  /**
   * `connect`: no connection. `timeout`. `disconnect`: it broke. `protocol`: not HTTP, or not what was asked for.
   * `http`: another status than 200. `stream`: an error frame, or no `[DONE]`.
   */
  readonly kind: 'connect' | 'timeout' | 'disconnect' | 'protocol' | 'http' | 'stream'
  readonly status: number | null
  readonly code: string | null
  readonly message: string
}

/** What a complete request brought. Milliseconds. */
export interface Completion {
  readonly e2eMs: number
  /** Null: not a stream, or one without tokens. */
  readonly ttftMs: number | null
  /** From the first token to the last. */
  readonly tokensMs: number
  readonly promptTokens: number
  readonly completionTokens: number
  /** Of them, counted before as they came. */
  readonly seenTokens: number
  readonly countedBy: 'byUsage' | 'byFrames' | 'not'
}

/** Long enough for any server's words, short enough for a report. */
const EXAMPLE_CHARACTERS = 300
/** Kinds of failures that are told apart; codes come from the server, and there may be as many as it likes. */
const MOST_ERRORS = 200

function createHistograms(resolution: 'fine' | 'coarse') {
  return {
    ttft: createHistogram(resolution),
    itl: createHistogram(resolution),
    e2e: createHistogram(resolution),
  }
}

type Histograms = ReturnType<typeof createHistograms>

const encoded = ({ ttft, itl, e2e }: Histograms) => ({
  ttft: encode(ttft),
  itl: encode(itl),
  e2e: encode(e2e),
})

interface StepTally extends Histograms {
  readonly counts: Omit<StepPart, keyof Histograms>
}

function createStepTally(): StepTally {
  const within = { completed: 0, completionTokens: 0, good: 0 }
  const counts = {
    sent: 0,
    completed: 0,
    failed: 0,
    aborted: 0,
    promptTokens: 0,
    completionTokens: 0,
    good: 0,
    within,
  }
  return { counts, ...createHistograms('fine') }
}

/**
 * Gathers what one process measures. A request belongs to the step in which it was to be sent, so that each step's
 * distributions are of its own requests; rates count what happened within the step's time. All times in
 * milliseconds since the start of the measured part. Hot path: no allocation per token.
 */
export class Recorder {
  readonly #profile: Profile
  readonly #slo: Slo | null
  readonly #onSecond: (part: SecondPart) => void
  readonly #steps: readonly StepTally[]
  readonly #errors = new Map<string, ErrorPart>()
  readonly #counted = { byUsage: 0, byFrames: 0, not: 0 }
  readonly #second = createHistograms('coarse')
  #counts: Omit<SecondPart, 'second' | 'open' | keyof Histograms>
  #secondAt: number
  /** Index of the step whose time is now. */
  #current = -1
  #currentEndsMs = -Infinity
  /** Requests that were begun and have not ended. */
  open = 0

  constructor(profile: Profile, slo: Slo | null, onSecond: (part: SecondPart) => void) {
    this.#profile = profile
    this.#slo = slo
    this.#onSecond = onSecond
    this.#steps = profile.steps.map(createStepTally)
    this.#secondAt = Math.floor(profile.startMs / 1000)
    this.#counts = emptySecond()
  }

  /** A request came due. @returns the step that it belongs to, -1 for none */
  begin(intendedMs: number, nowMs: number): number {
    this.advance(nowMs)
    const step = stepAt(this.#profile, intendedMs)
    const tally = this.#steps[step]
    if (tally !== undefined) tally.counts.sent += 1
    this.#counts.sent += 1
    this.open += 1
    return step
  }

  firstToken(step: number, ttftMs: number, nowMs: number): void {
    this.advance(nowMs)
    const tally = this.#steps[step]
    if (tally !== undefined) record(tally.ttft, ttftMs)
    record(this.#second.ttft, ttftMs)
  }

  /** `count` tokens that came together, `gapMs` after the ones before. */
  tokens(step: number, gapMs: number | null, count: number, nowMs: number): void {
    this.advance(nowMs)
    const tally = this.#steps[step]
    this.#gaps(this.#second, gapMs, count)
    if (tally !== undefined) this.#gaps(tally, gapMs, count)
    this.#addTokens(count)
  }

  #gaps({ itl }: Histograms, gapMs: number | null, count: number): void {
    if (gapMs !== null) record(itl, gapMs)
    // They came in one read: without a gap that could be seen.
    if (count > 1) record(itl, 0, count - 1)
  }

  #addTokens(count: number): void {
    this.#counts.completionTokens += count
    const within = this.#steps[this.#current]
    if (within !== undefined) within.counts.within.completionTokens += count
  }

  complete(step: number, completion: Completion, nowMs: number): void {
    this.advance(nowMs)
    const { e2eMs, promptTokens, completionTokens, countedBy } = completion
    this.open -= 1
    this.#counts.completed += 1
    record(this.#second.e2e, e2eMs)
    this.#addTokens(completionTokens - completion.seenTokens)
    const good = this.#isGood(completion) ? 1 : 0
    const within = this.#steps[this.#current]?.counts.within
    if (within !== undefined) {
      within.completed += 1
      within.good += good
    }
    const tally = this.#steps[step]
    if (tally === undefined) return
    this.#counted[countedBy] += 1
    tally.counts.completed += 1
    tally.counts.promptTokens += promptTokens
    tally.counts.completionTokens += completionTokens
    tally.counts.good += good
    record(tally.e2e, e2eMs)
  }

  #isGood({ ttftMs, tokensMs, completionTokens, e2eMs }: Completion): boolean {
    if (this.#slo === null) return false
    return isGood(this.#slo, {
      ttftMicros: ttftMs === null ? null : ttftMs * 1000,
      meanGapMicros: completionTokens > 1 ? (tokensMs * 1000) / (completionTokens - 1) : null,
      e2eMicros: e2eMs * 1000,
    })
  }

  /** `seenTokens` were counted as they came. */
  fail(step: number, failure: Failure, seenTokens: number, nowMs: number): void {
    this.advance(nowMs)
    this.open -= 1
    this.#counts.failed += 1
    const tally = this.#steps[step]
    if (tally === undefined) return
    tally.counts.failed += 1
    tally.counts.completionTokens += seenTokens
    this.#countError(failure)
  }

  #countError({ kind, status, code, message }: Failure): void {
    const own = `${kind} ${status ?? ''} ${code ?? ''}`
    const key = this.#errors.has(own) || this.#errors.size < MOST_ERRORS ? own : `${kind} others`
    const known = this.#errors.get(key)
    if (known !== undefined) known.count += 1
    else
      this.#errors.set(key, { kind, status, code, count: 1, example: message.slice(0, EXAMPLE_CHARACTERS) })
  }

  abort(step: number, seenTokens: number, nowMs: number): void {
    this.advance(nowMs)
    this.open -= 1
    this.#counts.aborted += 1
    const tally = this.#steps[step]
    if (tally === undefined) return
    tally.counts.aborted += 1
    tally.counts.completionTokens += seenTokens
  }

  /** Ends the seconds and steps that are over. */
  advance(nowMs: number): void {
    if (nowMs >= this.#currentEndsMs) {
      this.#current = stepAt(this.#profile, nowMs)
      const step = this.#profile.steps[this.#current]
      if (step !== undefined) this.#currentEndsMs = step.toMs
      else this.#currentEndsMs = nowMs < 0 ? 0 : Infinity
    }
    while (nowMs >= (this.#secondAt + 1) * 1000) this.#endSecond()
  }

  #endSecond(): void {
    this.#onSecond({
      second: this.#secondAt,
      ...this.#counts,
      open: this.open,
      ...encoded(this.#second),
    })
    this.#secondAt += 1
    this.#counts = emptySecond()
    for (const histogram of Object.values(this.#second)) if (histogram.totalCount > 0) histogram.reset()
  }

  /** Ends the last second as well. */
  result(): Pick<ResultPart, 'steps' | 'errors' | 'counted'> {
    this.#endSecond()
    return {
      steps: this.#steps.map((tally) => ({ ...tally.counts, ...encoded(tally) })),
      errors: [...this.#errors.values()],
      counted: this.#counted,
    }
  }
}

function emptySecond() {
  return { sent: 0, completed: 0, failed: 0, aborted: 0, completionTokens: 0 }
}
