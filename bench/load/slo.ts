import { z } from 'zod'
import { UsageError } from '../command.js'
import { parseDuration } from './duration.js'

/** What a request has to keep to be good; in microseconds, as the report has it. */
export const Slo = z.object({
  ttftMicros: z.number().optional(),
  /** Of the mean gap between a request's tokens. */
  itlMicros: z.number().optional(),
  e2eMicros: z.number().optional(),
})
export type Slo = z.infer<typeof Slo>

const FIELDS = new Map<string, keyof Slo>([
  ['ttft', 'ttftMicros'],
  ['itl', 'itlMicros'],
  ['e2e', 'e2eMicros'],
])

/** Reads `ttft=500ms,itl=50ms,e2e=10s`. @throws UsageError */
export function parseSlo(text: string): Slo {
  const slo: Slo = {}
  for (const part of text.split(',')) {
    const [name = '', value = '', ...rest] = part.split('=')
    const field = FIELDS.get(name.trim())
    const ms = parseDuration(value.trim())
    if (field === undefined || ms === null || ms <= 0 || rest.length > 0)
      throw new UsageError(`--slo takes thresholds like ttft=500ms,itl=50ms,e2e=10s, not "${part}"`)
    if (slo[field] !== undefined) throw new UsageError(`--slo names ${name.trim()} twice`)
    slo[field] = ms * 1000
  }
  return slo
}

/** One complete request; durations that it does not have (no stream, one token) are null and break no threshold. */
export interface Timings {
  readonly ttftMicros: number | null
  readonly meanGapMicros: number | null
  readonly e2eMicros: number
}

/** Whether a request kept every threshold. */
export function isGood(slo: Slo, { ttftMicros, meanGapMicros, e2eMicros }: Timings): boolean {
  return (
    (ttftMicros ?? 0) <= (slo.ttftMicros ?? Infinity) &&
    (meanGapMicros ?? 0) <= (slo.itlMicros ?? Infinity) &&
    e2eMicros <= (slo.e2eMicros ?? Infinity)
  )
}
