/** What an inference server says of its load; null where it does not say. */
export interface EngineLoad {
  readonly running: number | null
  readonly waiting: number | null
  /** 0 to 1. */
  readonly kvCacheUsage: number | null
}

/** Gauges by meaning; the first of the names that a server has counts. vLLM (newer, older), SGLang, llama.cpp. */
const RUNNING = ['vllm:num_requests_running', 'sglang:num_running_reqs', 'llamacpp:requests_processing']
const WAITING = ['vllm:num_requests_waiting', 'sglang:num_queue_reqs', 'llamacpp:requests_deferred']
const KV_CACHE = [
  'vllm:kv_cache_usage_perc',
  'vllm:gpu_cache_usage_perc',
  'sglang:token_usage',
  'llamacpp:kv_cache_usage_ratio',
]
const WANTED = new Set([...RUNNING, ...WAITING, ...KV_CACHE])

/** No server has more: what is said beyond is nonsense, and would not fit the column that it is kept in. */
const MOST_REQUESTS = 1_000_000_000

/** `name{labels} value`, with an optional timestamp. */
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+(\S+)/

/**
 * An engine's load out of its Prometheus text. Of several series of one gauge (one for each engine core or model),
 * requests are added up and the fullest KV cache counts.
 */
export function engineLoad(text: string): EngineLoad {
  const series = new Map<string, number[]>()
  for (const line of text.split('\n')) {
    const match = SAMPLE.exec(line)
    const name = match?.[1]
    if (name === undefined || !WANTED.has(name)) continue
    const value = Number(match?.[2])
    if (!Number.isFinite(value) || value < 0) continue
    series.set(name, [...(series.get(name) ?? []), value])
  }
  const first = (names: readonly string[]) => names.map((name) => series.get(name)).find((values) => values)
  const sum = (values: number[] | undefined) =>
    values === undefined
      ? null
      : Math.min(MOST_REQUESTS, Math.round(values.reduce((total, value) => total + value, 0)))
  const usage = first(KV_CACHE)
  return {
    running: sum(first(RUNNING)),
    waiting: sum(first(WAITING)),
    kvCacheUsage: usage === undefined ? null : Math.min(1, Math.max(...usage)),
  }
}
