/** How a model did for all of its users over the last minutes. Milliseconds; null where there was nothing to time. */
export interface ModelFigures {
  readonly modelId: string
  readonly avgLatencyMs: number | null
  readonly p95TtftMs: number | null
}
