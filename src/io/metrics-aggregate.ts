import { AggregatorRegistry } from 'prom-client'
import { metricsSchema, type MetricJson } from './metric-cells.js'

/** The readings of several processes as one reading. */
async function merge(readings: readonly (readonly MetricJson[])[]): Promise<MetricJson[]> {
  const merged = AggregatorRegistry.aggregate(readings.map((reading) => [...reading]))
  return metricsSchema.parse(await merged.getMetricsAsJSON())
}

/** The readings of several processes as one text in Prometheus's exposition format. */
export function exposition(readings: readonly (readonly MetricJson[])[]): Promise<string> {
  return AggregatorRegistry.aggregate(readings.map((reading) => [...reading])).metrics()
}

export interface RetiredMetrics {
  /** Keeps the last reading of a process that has died. */
  add(reading: readonly MetricJson[]): Promise<void>
  reading(): readonly MetricJson[]
}

/**
 * What dead processes had counted. Without it a sum over processes would fall when one dies, which Prometheus
 * takes for a reset of all of them. Gauges, and what bears a process's own name, die with it.
 */
export function createRetiredMetrics(): RetiredMetrics {
  let total: MetricJson[] = []
  let adding = Promise.resolve()
  return {
    add(reading) {
      const counted = reading.filter(
        (metric) => metric.type !== 'gauge' && metric.values.every((value) => !('process' in value.labels)),
      )
      // One after the other: two deaths at once must not lose one of them.
      adding = adding.then(async () => {
        total = await merge([total, counted])
      })
      return adding
    },
    reading: () => total,
  }
}
