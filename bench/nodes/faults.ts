import { z } from 'zod'

/** Faults of one request, in the order of a request's life. */
export const REQUEST_FAULTS = [
  /** The socket is reset once the request has been read. */
  'die_before_headers',
  /** An answer that is not HTTP, then the end. */
  'garbage',
  /** An error reply with that status, in the engine's error shape. */
  'http_404',
  'http_429',
  'http_500',
  'http_503',
  /** Nothing, not even headers, for `ms` (default 1,000); then as usual. */
  'slow_headers',
  /** The socket closes after `after_tokens` tokens (FIN; RST with `reset`). A plain reply never starts. */
  'die_after_tokens',
  /** Silence after `after_tokens` tokens with the socket open: for ever, or for `ms`. */
  'stall',
  /** A chunk-size line that is none after `after_tokens` tokens, then the end. */
  'malformed_chunk',
  /** After `after_tokens` tokens an error frame and `[DONE]`, cleanly framed. Streams only. */
  'error_frame_then_done',
  /** A second response that nobody asked for right behind the first (`ms` later if given), connection kept. */
  'extra_bytes',
  /** `content-length` ten less than the body. Plain replies only. */
  'short_content_length',
  /** `content-length` a hundred more than the body, then the end. Plain replies only. */
  'long_content_length',
  /** Usage options are ignored and plain replies carry no usage. */
  'no_usage',
  /** Everything is cut at odd offsets and written in pieces, each in its own turn of the event loop. */
  'split_writes',
] as const

/** Faults of the whole node. */
export const NODE_FAULTS = [
  /** Nothing listens: connects are refused, idle connections close, running requests go on. */
  'refuse',
  /** `/health` says 503; everything else works. */
  'health_down',
  /** Prefill and tokens take `factor` times as long (default 10), also those of requests that run already. */
  'slow',
  /**
   * Half of every `ms` (default 1,000) as with `refuse`, the other half as usual, beginning with the refusal. With
   * `reset`, what runs when it goes down is cut off, as when the process restarts.
   */
  'flap',
] as const

export type RequestFaultKind = (typeof REQUEST_FAULTS)[number]
export type NodeFaultKind = (typeof NODE_FAULTS)[number]
export type FaultKind = RequestFaultKind | NodeFaultKind

const STREAM_ONLY: ReadonlySet<FaultKind> = new Set(['error_frame_then_done'])
const PLAIN_ONLY: ReadonlySet<FaultKind> = new Set(['short_content_length', 'long_content_length'])
const NODE_KINDS: ReadonlySet<string> = new Set(NODE_FAULTS)

const knobs = {
  /** Tokens over all choices that are written first; absent: a random number below the answer's length. */
  after_tokens: z.int().min(0).optional(),
  ms: z.number().min(0).max(3_600_000).optional(),
  reset: z.boolean().optional(),
}

/** The body field `sim_fault`. */
export const RequestFault = z.strictObject({ kind: z.enum(REQUEST_FAULTS), ...knobs })
export type RequestFault = z.infer<typeof RequestFault>

/** A fault of the node, or one that hits each request with a probability (default 1). */
export const FaultRule = z.strictObject({
  kind: z.enum([...REQUEST_FAULTS, ...NODE_FAULTS]),
  probability: z.number().min(0).max(1).optional(),
  /** Requests that it hits, after which it is spent; absent: all. */
  times: z.int().min(1).optional(),
  factor: z.number().min(1).max(10_000).optional(),
  ...knobs,
})
export type FaultRule = z.infer<typeof FaultRule>

export function isNodeFault(kind: FaultKind): kind is NodeFaultKind {
  return NODE_KINDS.has(kind)
}

/** Whether a request of this form can show the fault; one that cannot is served as usual. */
export function isApplicable(kind: RequestFaultKind, stream: boolean): boolean {
  return stream ? !PLAIN_ONLY.has(kind) : !STREAM_ONLY.has(kind)
}

export interface FaultBox {
  readonly rules: ReadonlyMap<FaultKind, FaultRule>
  set(rule: FaultRule): void
  clear(kind: FaultKind): void
  /** The first rule that hits a request of this form, drawn afresh for each. */
  draw(stream: boolean): RequestFault | undefined
}

/** Holds the standing rules of a node, one for each kind. `random` makes their draws reproducible. */
export function createFaultBox(random: () => number): FaultBox {
  const rules = new Map<FaultKind, FaultRule>()
  const left = new Map<FaultKind, number>()
  const clear = (kind: FaultKind): void => {
    rules.delete(kind)
    left.delete(kind)
  }
  const spend = (kind: FaultKind): void => {
    const times = left.get(kind)
    if (times === undefined) return
    if (times > 1) left.set(kind, times - 1)
    else clear(kind)
  }
  return {
    rules,
    set(rule) {
      clear(rule.kind)
      rules.set(rule.kind, rule)
      if (rule.times !== undefined) left.set(rule.kind, rule.times)
    },
    clear,
    draw(stream) {
      for (const { kind, probability = 1, after_tokens, ms, reset } of rules.values()) {
        if (isNodeFault(kind) || !isApplicable(kind, stream)) continue
        if (probability < 1 && random() >= probability) continue
        spend(kind)
        return {
          kind,
          ...(after_tokens !== undefined && { after_tokens }),
          ...(ms !== undefined && { ms }),
          ...(reset !== undefined && { reset }),
        }
      }
      return undefined
    },
  }
}
