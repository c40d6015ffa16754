import type { Flavour } from './options.js'

/** vLLM's own bucket borders, in seconds. */
const TTFT_BUCKETS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640,
  2560,
]
const ITL_BUCKETS = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
]
const E2E_BUCKETS = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
]

export interface Histogram {
  observe(seconds: number): void
  render(name: string, labels: string): string
}

function createHistogram(borders: readonly number[]): Histogram {
  const counts = new Array<number>(borders.length + 1).fill(0)
  let sum = 0
  return {
    observe(seconds) {
      let at = 0
      while (at < borders.length && seconds > (borders[at] ?? Infinity)) at += 1
      counts[at] = (counts[at] ?? 0) + 1
      sum += seconds
    },
    render(name, labels) {
      let total = 0
      const lines = counts.map((count, at) => {
        total += count
        return `${name}_bucket{${labels},le="${borders[at]?.toString() ?? '+Inf'}"} ${total}`
      })
      return `# TYPE ${name} histogram\n${lines.join('\n')}\n${name}_count{${labels}} ${total}\n${name}_sum{${labels}} ${sum}\n`
    },
  }
}

/** Counters of one node since it started. */
export interface NodeMetrics {
  readonly ttft: Histogram
  readonly itl: Histogram
  readonly e2e: Histogram
  promptTokens: number
  generationTokens: number
  prefixQueries: number
  prefixHits: number
  succeeded: { stop: number; length: number; abort: number }
}

export function createNodeMetrics(): NodeMetrics {
  return {
    ttft: createHistogram(TTFT_BUCKETS),
    itl: createHistogram(ITL_BUCKETS),
    e2e: createHistogram(E2E_BUCKETS),
    promptTokens: 0,
    generationTokens: 0,
    prefixQueries: 0,
    prefixHits: 0,
    succeeded: { stop: 0, length: 0, abort: 0 },
  }
}

export interface Gauges {
  readonly running: number
  readonly waiting: number
  /** 0 to 1. */
  readonly kvCacheUsage: number
}

/** Prometheus text under the names of the flavour; undefined: that kind of server has no metrics. */
export function renderMetrics(
  flavour: Flavour,
  model: string,
  metrics: NodeMetrics,
  gauges: Gauges,
): string | undefined {
  const modelLabel = `model_name="${model.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  const labels = flavour === 'vllm' ? `engine="0",${modelLabel}` : modelLabel
  const one = (type: string, name: string, value: number): string =>
    `# TYPE ${name} ${type}\n${name}{${labels}} ${value}\n`
  switch (flavour) {
    case 'vllm': {
      const reasons = Object.entries(metrics.succeeded).map(
        ([reason, count]) => `vllm:request_success_total{${labels},finished_reason="${reason}"} ${count}\n`,
      )
      return (
        one('gauge', 'vllm:num_requests_running', gauges.running) +
        one('gauge', 'vllm:num_requests_waiting', gauges.waiting) +
        one('gauge', 'vllm:kv_cache_usage_perc', gauges.kvCacheUsage) +
        one('counter', 'vllm:prefix_cache_queries_total', metrics.prefixQueries) +
        one('counter', 'vllm:prefix_cache_hits_total', metrics.prefixHits) +
        one('counter', 'vllm:prompt_tokens_total', metrics.promptTokens) +
        one('counter', 'vllm:generation_tokens_total', metrics.generationTokens) +
        `# TYPE vllm:request_success_total counter\n${reasons.join('')}` +
        metrics.ttft.render('vllm:time_to_first_token_seconds', labels) +
        metrics.itl.render('vllm:inter_token_latency_seconds', labels) +
        metrics.e2e.render('vllm:e2e_request_latency_seconds', labels)
      )
    }
    case 'sglang': {
      const hitRate = metrics.prefixQueries === 0 ? 0 : metrics.prefixHits / metrics.prefixQueries
      return (
        one('gauge', 'sglang:num_running_reqs', gauges.running) +
        one('gauge', 'sglang:num_queue_reqs', gauges.waiting) +
        one('gauge', 'sglang:token_usage', gauges.kvCacheUsage) +
        one('gauge', 'sglang:cache_hit_rate', hitRate) +
        one('counter', 'sglang:prompt_tokens_total', metrics.promptTokens) +
        one('counter', 'sglang:generation_tokens_total', metrics.generationTokens) +
        metrics.ttft.render('sglang:time_to_first_token_seconds', labels) +
        metrics.itl.render('sglang:inter_token_latency_seconds', labels) +
        metrics.e2e.render('sglang:e2e_request_latency_seconds', labels)
      )
    }
    case 'plain':
      return undefined
  }
}
