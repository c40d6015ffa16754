import type { ResponseHead } from '../../src/core/http-response.js'
import { AnswerReader, readError } from './answer-reader.js'
import type { Connection, FailureKind, ResponseHandler } from './connection.js'
import type { Waiter } from './connection-pool.js'
import type { Endpoint } from './plan.js'
import type { Failure, Recorder } from './recorder.js'
import type { MadeRequest } from './request-maker.js'

/** What calls need of the run that they belong to. */
export interface CallSetting {
  readonly endpoint: Endpoint
  readonly stream: boolean
  readonly recorder: Recorder
  /** Milliseconds since the measured part. */
  now(): number
  /** The request of a step goes out, so much after its time; those of the warm-up are of no step. */
  readonly onSent: (delayMs: number) => void
  /**
   * The call has ended; `connection` is free again, null when it is gone or never was. `unreachable`: it could not be
   * opened.
   */
  onEnd(call: Call, connection: Connection | null, unreachable: boolean, nowMs: number): void
}

/** Of a refusal's body; error envelopes are shorter. */
const MOST_REFUSAL_BYTES = 16 * 1024

/** One request from the time at which it was to be sent to its end, whichever way it ends. */
export class Call implements Waiter, ResponseHandler {
  readonly intendedMs: number
  readonly request: MadeRequest
  /** Where it stands in the list of open calls; kept by that list. */
  place = -1
  readonly #setting: CallSetting
  readonly #step: number
  readonly #reader: AnswerReader
  /** Tokens after which a stream is left. */
  readonly #leaveAtToken: number
  #connection: Connection | null = null
  #ended = false
  #status = 0
  #body: Buffer[] = []
  #bodyBytes = 0
  #firstTokenMs = 0
  #lastTokenMs = 0

  constructor(setting: CallSetting, request: MadeRequest, intendedMs: number, nowMs: number) {
    this.#setting = setting
    this.request = request
    this.intendedMs = intendedMs
    this.#step = setting.recorder.begin(intendedMs, nowMs)
    this.#reader = new AnswerReader(setting.endpoint)
    const { leaveAt, outputTokens } = request
    this.#leaveAtToken = leaveAt === null || !setting.stream ? Infinity : Math.floor(leaveAt * outputTokens)
  }

  get waiting(): boolean {
    return !this.#ended && this.#connection === null
  }

  onConnection(connection: Connection): void {
    this.#connection = connection
    if (this.#step >= 0) this.#setting.onSent(this.#setting.now() - this.intendedMs)
    connection.send(this.request.bytes, this)
  }

  onConnectFailure(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null
    // Of several addresses each has its own.
    const words = error instanceof Error && error.message !== '' ? error.message : String(code ?? error)
    this.#fail({ kind: 'connect', status: null, code, message: words })
  }

  onHead({ status, contentType }: ResponseHead): void {
    this.#status = status
    if (status !== 200 || !this.#setting.stream) return
    if (contentType !== 'text/event-stream')
      this.#fail(this.#protocol(`asked for a stream, got ${contentType || 'no content type'}`))
    else if (this.#leaveAtToken === 0) this.leave()
  }

  onBody(bytes: Buffer, ended: boolean): void {
    if (this.#ended) return
    if (this.#status === 200 && this.#setting.stream) this.#onStream(bytes, ended)
    else this.#onPlain(bytes, ended)
  }

  #onStream(bytes: Buffer, ended: boolean): void {
    const nowMs = this.#setting.now()
    const reader = this.#reader
    let came: number
    try {
      came = reader.push(bytes)
    } catch (error) {
      this.#fail(this.#protocol(error instanceof Error ? error.message : String(error)))
      return
    }
    if (came > 0) this.#onTokens(came, nowMs)
    if (reader.tokens >= this.#leaveAtToken) this.leave()
    else if (ended) this.#onStreamEnd(nowMs)
  }

  #onTokens(count: number, nowMs: number): void {
    const { recorder } = this.#setting
    const isFirst = this.#reader.tokens === count
    if (isFirst) {
      this.#firstTokenMs = nowMs
      recorder.firstToken(this.#step, nowMs - this.intendedMs, nowMs)
    }
    recorder.tokens(this.#step, isFirst ? null : nowMs - this.#lastTokenMs, count, nowMs)
    this.#lastTokenMs = nowMs
  }

  #onStreamEnd(nowMs: number): void {
    const { error, done } = this.#reader
    if (error !== null) this.#fail({ kind: 'stream', status: 200, ...error })
    else if (done) this.#complete(nowMs)
    else
      this.#fail({ kind: 'stream', status: 200, code: 'no_done', message: 'the stream ended without [DONE]' })
  }

  #onPlain(bytes: Buffer, ended: boolean): void {
    if (!ended || this.#bodyBytes > 0) {
      const isRefusal = this.#status !== 200
      // The bytes are only valid now. Of a refusal the start will do.
      if (!isRefusal || this.#bodyBytes < MOST_REFUSAL_BYTES) this.#body.push(Buffer.from(bytes))
      this.#bodyBytes += bytes.length
      if (!ended) return
    }
    const body = this.#bodyBytes > 0 ? Buffer.concat(this.#body) : bytes
    if (this.#status !== 200) this.#refused(body.toString('utf8', 0, MOST_REFUSAL_BYTES))
    else if (this.#reader.readBody(body)) this.#complete(this.#setting.now())
    else this.#fail(this.#protocol(`the reply is no answer: ${body.toString('utf8', 0, 200)}`))
  }

  #refused(body: string): void {
    const error = readError(body)
    this.#fail({
      kind: 'http',
      status: this.#status,
      code: error?.code ?? null,
      message: error?.message ?? (body.trim() || `status ${this.#status} without a body`),
    })
  }

  #protocol(message: string): Failure {
    return { kind: 'protocol', status: this.#status || null, code: null, message }
  }

  onFailure(reason: string, kind: FailureKind): void {
    this.#connection = null
    this.#fail({ kind, status: this.#status || null, code: null, message: reason })
  }

  /** It was not complete in time. */
  timeOut(afterMs: number): void {
    const where =
      this.#connection === null ? 'no connection' : this.#status === 0 ? 'no response' : 'not complete'
    const message = `${where} ${afterMs} ms after its time`
    this.#fail({ kind: 'timeout', status: this.#status || null, code: null, message })
  }

  /** Goes away like a client that has lost interest. */
  leave(): void {
    if (this.#ended) return
    const nowMs = this.#setting.now()
    this.#setting.recorder.abort(this.#step, this.#reader.tokens, nowMs)
    this.#drop(false, nowMs)
  }

  #complete(nowMs: number): void {
    const { tokens, usage } = this.#reader
    const { stream, recorder } = this.#setting
    const isKnown = usage !== null || stream
    recorder.complete(
      this.#step,
      {
        e2eMs: nowMs - this.intendedMs,
        ttftMs: tokens > 0 ? this.#firstTokenMs - this.intendedMs : null,
        tokensMs: this.#lastTokenMs - this.#firstTokenMs,
        promptTokens: usage?.promptTokens ?? 0,
        completionTokens: usage?.completionTokens ?? tokens,
        seenTokens: tokens,
        countedBy: usage !== null ? 'byUsage' : isKnown ? 'byFrames' : 'not',
      },
      nowMs,
    )
    this.#ended = true
    this.#setting.onEnd(this, this.#connection, false, nowMs)
  }

  #fail(failure: Failure): void {
    if (this.#ended) return
    const nowMs = this.#setting.now()
    this.#setting.recorder.fail(this.#step, failure, this.#reader.tokens, nowMs)
    this.#drop(failure.kind === 'connect', nowMs)
  }

  /** A connection whose response is complete is kept, whatever the response said. */
  #drop(unreachable: boolean, nowMs: number): void {
    this.#ended = true
    const connection = this.#connection
    if (connection?.reusable === true) this.#setting.onEnd(this, connection, unreachable, nowMs)
    else {
      connection?.close()
      this.#setting.onEnd(this, null, unreachable, nowMs)
    }
  }
}
