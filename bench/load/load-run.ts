import { SwapList } from '../../src/proxy/swap-list.js'
import { createPacer, after } from '../nodes/pacer.js'
import { seededRandom } from '../nodes/random.js'
import { arrivalTimes } from './arrivals.js'
import { Call, type CallSetting } from './call.js'
import type { ConnectionPool } from './connection-pool.js'
import { encode } from './latency-histogram.js'
import type { ResultPart, SecondPart } from './generator-messages.js'
import { startMetronome } from './metronome.js'
import type { LoadPlan } from './plan.js'
import { createProfile, slotsAt, type Profile } from './profile.js'
import { Recorder } from './recorder.js'
import type { RequestMaker } from './request-maker.js'
import { createSelfWatch } from './self-watch.js'

/** A load in progress, this process's share of it. */
export interface LoadRun {
  readonly result: Promise<ResultPart>
  /** Ends it now; what is open is dropped. */
  stop(): void
}

export interface LoadRunOptions {
  readonly plan: LoadPlan
  readonly makeRequest: RequestMaker
  readonly pool: ConnectionPool
  /** Which of the plan's processes this is: it takes each request whose number leaves this remainder. */
  readonly index: number
  /** Start of the profile, `performance.now()`. */
  readonly startAt: number
  readonly onSecond: (part: SecondPart) => void
}

/** Where requests come from. */
interface Source {
  /** Begins what is due. @returns when more will be, Infinity: not known; null: nothing will follow */
  tick(nowMs: number): number | null
  /** A call has ended. */
  ended(unreachable: boolean, nowMs: number): void
}

/** Timeouts, idle connections, ramps of a closed loop and the loop's lag are looked at this often. */
const SWEEP_MS = 10
/** A slot of a closed loop whose connection was refused waits this long: the server is down, not to be hammered. */
const REFUSED_REST_MS = 100
/** Until one reply was seen, replies are taken to need this long, to find a moment at which to leave one. */
const FIRST_REPLY_MS = 100

/** Begins to send by the plan. */
export function startLoadRun(options: LoadRunOptions): LoadRun {
  const { plan, pool, index, startAt } = options
  const profile = createProfile(plan.stages, plan.warmUpSeconds)
  const recorder = new Recorder(profile, plan.slo, options.onSecond)
  const watch = createSelfWatch()
  const calls = new SwapList<Call>()
  const leaving = createPacer()
  const startOfMeasure = startAt - profile.startMs
  const now = (): number => performance.now() - startOfMeasure
  let replyMs = FIRST_REPLY_MS
  let lastEndMs = 0
  let exhausted = false
  let over = false

  const setting: CallSetting = {
    endpoint: plan.endpoint,
    stream: plan.stream,
    recorder,
    now,
    onSent: watch.onSent,
    onEnd(call, connection, unreachable, nowMs) {
      calls.delete(call)
      lastEndMs = nowMs
      if (!plan.stream && connection !== null) replyMs += (nowMs - call.intendedMs - replyMs) / 16
      if (over) return
      if (connection !== null) pool.release(connection, nowMs)
      source.ended(unreachable, nowMs)
      finishIfDone()
    },
  }

  const begin = (number: number, intendedMs: number, nowMs: number): void => {
    const request = options.makeRequest(number)
    const call = new Call(setting, request, intendedMs, nowMs)
    calls.add(call)
    // A reply has no tokens to count: its moment is one of the time that replies took so far.
    if (request.leaveAt !== null && !plan.stream)
      after(leaving, request.leaveAt * replyMs, () => {
        call.leave()
      })
    pool.acquire(call)
  }

  const source =
    plan.loop.kind === 'open'
      ? openLoop(plan, profile, index, begin)
      : closedLoop(plan, profile, index, begin)

  let resolveResult: (part: ResultPart) => void = () => {}
  const result = new Promise<ResultPart>((resolve) => (resolveResult = resolve))

  const finish = (endMs: number): void => {
    if (over) return
    over = true
    metronome?.stop()
    clearInterval(sweeper)
    watch.stop()
    pool.close()
    leaving.stop()
    recorder.advance(now())
    resolveResult({
      ...recorder.result(),
      endSecond: Math.max(0, Math.min(endMs, profile.endMs)) / 1000,
      loopLag: encode(watch.loopLag),
      sendDelay: plan.loop.kind === 'open' ? encode(watch.sendDelay) : '',
      cpu: watch.cpu(),
      waitedForBound: pool.waitedForBound,
    })
  }

  const finishIfDone = (): void => {
    if (!exhausted || calls.size > 0) return
    finish(plan.requests === null ? profile.endMs : lastEndMs)
  }

  const tick = (): void => {
    if (exhausted || over) return
    const nextMs = source.tick(now())
    exhausted = nextMs === null
    if (nextMs !== null) metronome?.wakeAt(nextMs + startOfMeasure)
    finishIfDone()
  }
  const metronome = plan.loop.kind === 'open' ? startMetronome(tick) : null

  let expectedMs = now() + SWEEP_MS
  let measuring = false
  const sweep = (): void => {
    const nowMs = now()
    watch.onTick(nowMs - expectedMs)
    expectedMs = nowMs + SWEEP_MS
    if (!measuring && nowMs >= 0) {
      measuring = true
      watch.start()
    }
    if (nowMs >= profile.endMs) watch.stop()
    recorder.advance(nowMs)
    if (metronome === null) tick()
    pool.sweep(nowMs)
    const begunBefore = nowMs - plan.timeoutMs
    calls.each((call) => {
      if (call.intendedMs < begunBefore) call.timeOut(plan.timeoutMs)
    })
  }

  const sweeper = setInterval(sweep, SWEEP_MS)
  tick()
  return {
    result,
    stop() {
      finish(now())
    },
  }
}

type Begin = (number: number, intendedMs: number, nowMs: number) => void

/** Requests at times of their own. All processes draw the same times, and each takes its share of them. */
function openLoop(plan: LoadPlan, profile: Profile, index: number, begin: Begin): Source {
  if (plan.loop.kind !== 'open') throw new Error('the plan has no open loop')
  const times = arrivalTimes(profile, plan.loop.arrivals, seededRandom(plan.seed))
  let number = -1
  let measured = 0
  let next: number | undefined
  const advance = (): void => {
    do {
      const { value } = times.next()
      next = value ?? undefined
      number += 1
      if (next !== undefined && next >= 0) measured += 1
      if (plan.requests !== null && measured > plan.requests) next = undefined
    } while (next !== undefined && number % plan.processes !== index)
  }
  advance()
  return {
    tick(nowMs) {
      while (next !== undefined && next <= nowMs) {
        const intendedMs = next
        const one = number
        advance()
        begin(one, intendedMs, nowMs)
      }
      return next ?? null
    },
    ended: () => {},
  }
}

/** So many requests at a time. Each process has its share of the slots and of the count. */
function closedLoop(plan: LoadPlan, profile: Profile, index: number, begin: Begin): Source {
  const { processes } = plan
  const shareOf = (all: number): number => Math.floor((all + processes - 1 - index) / processes)
  let left = plan.requests === null ? Infinity : shareOf(plan.requests)
  let number = index
  let active = 0
  let restUntilMs = -Infinity
  /** No request begins after it. */
  const isOver = (nowMs: number): boolean => nowMs >= profile.endMs || left === 0

  const fill = (nowMs: number): void => {
    if (nowMs < profile.startMs || nowMs < restUntilMs) return
    const wanted = shareOf(slotsAt(profile, nowMs))
    while (active < wanted && !isOver(nowMs)) {
      const one = number
      number += processes
      active += 1
      if (nowMs >= 0) left -= 1
      begin(one, nowMs, nowMs)
    }
  }

  return {
    tick(nowMs) {
      fill(nowMs)
      return isOver(nowMs) ? null : Infinity
    },
    ended(unreachable, nowMs) {
      active -= 1
      if (unreachable) restUntilMs = nowMs + REFUSED_REST_MS
      fill(nowMs)
    },
  }
}
