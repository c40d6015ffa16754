import { EJECTION_CAUSES } from '../core/breaker.js'
import { isPanic } from '../core/ejection.js'
import type { GaugeCell } from '../io/metric-cells.js'
import type { ProxyMetrics } from '../io/metrics.js'
import { countTrusted } from './candidates.js'
import type { ModelRoute } from './routing.js'
import type { Target } from './target.js'

type HealthMetrics = Pick<ProxyMetrics, 'nodeEjections' | 'nodeRejected' | 'modelPanic'>

/** What a proxy thinks of its nodes, as metrics. Read when they are asked for, so that no request pays for them. */
export function createHealthMetrics({ nodeEjections, nodeRejected, modelPanic }: HealthMetrics): {
  update(models: readonly ModelRoute[], nowMs: number): void
} {
  const gauges = new Set<GaugeCell>()
  /** Ejections of each target that are counted already. */
  const counted = new WeakMap<Target, number[]>()

  function count(target: Target): void {
    const before = counted.get(target) ?? []
    const now = EJECTION_CAUSES.map((cause) => target.ejections(cause))
    counted.set(target, now)
    EJECTION_CAUSES.forEach((cause, index) => {
      const more = (now[index] ?? 0) - (before[index] ?? 0)
      if (more > 0) nodeEjections.labels({ node: target.node.clusterName, cause }).inc(more)
    })
  }

  function set(gauge: GaugeCell, isTrue: boolean): void {
    gauges.add(gauge)
    gauge.set(isTrue ? 1 : 0)
  }

  return {
    update(models, nowMs) {
      // Of nodes and models that are gone nothing is to stay.
      for (const gauge of gauges) gauge.set(0)
      for (const { model, targets } of models) {
        const { serving, trusted } = countTrusted(targets, nowMs)
        set(modelPanic.labels({ model: model.name }), isPanic(serving, trusted))
        for (const target of targets) {
          const rejected = target.breaker(nowMs) === 'rejecting'
          set(nodeRejected.labels({ node: target.node.clusterName }), rejected)
          count(target)
        }
      }
    },
  }
}
