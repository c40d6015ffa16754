import { z } from 'zod'

/** How much load is asked for at which time. In an open loop requests per second, in a closed one open requests. */

const Stage = z.object({
  /** Null: until the count of requests is reached. */
  seconds: z.number().nullable(),
  from: z.number(),
  to: z.number(),
})
export type Stage = z.infer<typeof Stage>

/** A stretch of time in which the load goes evenly from one value to another. Milliseconds since the measured part. */
export interface Segment {
  readonly fromMs: number
  readonly toMs: number
  readonly from: number
  readonly to: number
}

/** A stretch that is reported by itself. */
export interface ProfileStep {
  readonly fromMs: number
  readonly toMs: number
  /** Its mean. */
  readonly load: number
}

export interface Profile {
  /** Without gaps, warm-up first (before 0). */
  readonly segments: readonly Segment[]
  readonly steps: readonly ProfileStep[]
  readonly startMs: number
  /** When the last request begins; Infinity: when their count is reached. */
  readonly endMs: number
}

/** Of the stages that make up a profile. */
export const Stages = z.array(Stage).min(1)

/** A ramp is reported in so many parts, so that a figure can be seen against the load. */
const RAMP_PARTS = 10

/** Lays the stages one after another; the warm-up has the load that the first one begins with. */
export function createProfile(stages: readonly Stage[], warmUpSeconds: number): Profile {
  const startMs = warmUpSeconds === 0 ? 0 : -warmUpSeconds * 1000
  const segments: Segment[] = []
  const steps: ProfileStep[] = []
  const first = stages[0]?.from ?? 0
  if (startMs < 0) segments.push({ fromMs: startMs, toMs: 0, from: first, to: first })
  let atMs = 0
  for (const { seconds, from, to } of stages) {
    const lengthMs = (seconds ?? Infinity) * 1000
    segments.push({ fromMs: atMs, toMs: atMs + lengthMs, from, to })
    const parts = from === to ? 1 : RAMP_PARTS
    for (let part = 0; part < parts; part += 1) {
      steps.push({
        fromMs: atMs + (parts === 1 ? 0 : (lengthMs * part) / parts),
        toMs: atMs + (parts === 1 ? lengthMs : (lengthMs * (part + 1)) / parts),
        load: from + ((to - from) * (part + 0.5)) / parts,
      })
    }
    atMs += lengthMs
  }
  return { segments, steps, startMs, endMs: atMs }
}

/** The load at a time; 0 outside the profile. */
export function loadAt({ segments }: Profile, atMs: number): number {
  for (const { fromMs, toMs, from, to } of segments) {
    if (atMs < fromMs || atMs >= toMs) continue
    return from === to ? from : from + ((to - from) * (atMs - fromMs)) / (toMs - fromMs)
  }
  return 0
}

/** Index of the step that a time belongs to; -1: none (warm-up, or past the end). */
export function stepAt({ steps }: Profile, atMs: number): number {
  return steps.findIndex(({ fromMs, toMs }) => atMs >= fromMs && atMs < toMs)
}

/** A closed loop's open requests in a whole number: a ramp adds one whenever the next is reached. */
export function slotsAt(profile: Profile, atMs: number): number {
  return Math.round(loadAt(profile, atMs))
}
