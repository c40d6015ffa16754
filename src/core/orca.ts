/** What a node says of its load with a reply, in ORCA's terms; null where it does not say. */
export interface OrcaLoad {
  readonly running: number | null
  readonly waiting: number | null
  /** 0 to 1. */
  readonly kvCacheUsage: number | null
}

const MOST_REQUESTS = 1_000_000_000
const MOST_CHARACTERS = 4_096
/** `name=value` of the TEXT form, `"name": value` of the JSON form, with or without `named_metrics.`. */
const METRIC = /"?(?:named_metrics\.)?(\w+)"?\s*[=:]\s*([0-9.eE+-]+)/g

/**
 * Reads the value of `endpoint-load-metrics`, as `TEXT named_metrics.kv_cache_usage_perc=0.4, …` or
 * `JSON {"named_metrics": {"kv_cache_usage_perc": 0.4}}`. What is not understood is not known.
 */
export function orcaLoad(text: string): OrcaLoad {
  const metrics = new Map<string, number>()
  for (const [, name = '', digits] of text.slice(0, MOST_CHARACTERS).matchAll(METRIC)) {
    const value = Number(digits)
    if (Number.isFinite(value) && value >= 0) metrics.set(name, value)
  }
  const count = (name: string) => {
    const value = metrics.get(name)
    return value === undefined ? null : Math.min(MOST_REQUESTS, Math.round(value))
  }
  const usage = metrics.get('kv_cache_usage_perc') ?? metrics.get('gpu_cache_usage_perc')
  return {
    running: count('num_requests_running'),
    waiting: count('num_requests_waiting'),
    kvCacheUsage: usage === undefined ? null : Math.min(1, usage),
  }
}
