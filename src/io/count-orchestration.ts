import type { OrchestrationEvent } from '../core/orchestration/orchestration-event.js'
import type { ControlMetrics } from './metrics.js'

/** Counts what the leader does to the fleet. */
export function countOrchestration(metrics: ControlMetrics, event: OrchestrationEvent): void {
  switch (event.event) {
    case 'launch': {
      const { launcher, outcome, seconds } = event
      metrics.launches.labels({ launcher, outcome }).inc()
      if (outcome === 'succeeded') metrics.launchDuration.labels({ launcher }).observe(seconds)
      return
    }
    case 'lost':
      metrics.nodesLost.labels({ launcher: event.launcher }).inc()
      return
    case 'orphan_removed':
      metrics.orphansRemoved.labels({ launcher: event.launcher }).inc()
      return
    case 'scaled':
      metrics.scalings.labels({ direction: event.direction }).inc()
  }
}
