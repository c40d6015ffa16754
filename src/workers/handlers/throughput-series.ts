import { z } from 'zod'
import { Count } from './usage-rows.js'

/** What a model did in a stretch of time that begins at `at` (Unix seconds). */
export const ThroughputRow = z.object({
  model: z.string(),
  at: Count,
  requests: Count,
  prompt_tokens: Count,
  completion_tokens: Count,
})
export type ThroughputRow = z.infer<typeof ThroughputRow>

/** Unix milliseconds; the start is that of a whole step. */
export interface SeriesWindow {
  readonly startMs: number
  readonly endMs: number
  readonly stepMs: number
}

/** Rates over time, of all models together and of each, the one with the most requests first, as replies show them. */
export function throughputOf(rows: readonly ThroughputRow[], window: SeriesWindow) {
  const rowsOf = new Map<string, ThroughputRow[]>()
  for (const row of rows) {
    const own = rowsOf.get(row.model)
    if (own === undefined) rowsOf.set(row.model, [row])
    else own.push(row)
  }
  const models = [...rowsOf].map(([model, own]) => {
    const requests = own.reduce((sum, row) => sum + row.requests, 0)
    return { model, requests, series: seriesOf(own, window) }
  })
  return {
    start: new Date(window.startMs).toISOString(),
    end: new Date(window.endMs).toISOString(),
    step_seconds: window.stepMs / 1000,
    series: seriesOf(rows, window),
    by_model: models.sort((a, b) => b.requests - a.requests || (a.model < b.model ? -1 : 1)),
  }
}

/** A point for every step of the window; rows of one step are added up. */
function seriesOf(rows: readonly ThroughputRow[], { startMs, endMs, stepMs }: SeriesWindow) {
  const sums = Array.from({ length: Math.ceil((endMs - startMs) / stepMs) }, () => ({
    requests: 0,
    input: 0,
    output: 0,
  }))
  for (const row of rows) {
    // A request may have ended just now, by a clock that is ahead of this one.
    const sum = sums[Math.min((row.at * 1000 - startMs) / stepMs, sums.length - 1)]
    if (sum === undefined) continue
    sum.requests += row.requests
    sum.input += row.prompt_tokens
    sum.output += row.completion_tokens
  }
  return sums.map(({ requests, input, output }, i) => {
    const at = startMs + i * stepMs
    const seconds = (Math.min(at + stepMs, endMs) - at) / 1000
    return {
      at: new Date(at).toISOString(),
      requests,
      requests_per_second: requests / seconds,
      tokens_per_second: (input + output) / seconds,
      input_tokens_per_second: input / seconds,
      output_tokens_per_second: output / seconds,
    }
  })
}
