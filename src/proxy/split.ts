import { textHash } from '../core/prompt-prefix.js'
import type { ModelRoute, Router } from './routing.js'

/** Finer than any percentage that a route can have. */
const PARTS = 10_000

/**
 * The route that serves a tenant's requests for a model: its own, or that of a model which gets a share of them. A
 * tenant always gets the same one, in every process, for as long as the shares stay.
 */
export function splitRoute(router: Router, asked: ModelRoute, tenantId: string): ModelRoute {
  const { split } = asked.route
  if (split.length === 0) return asked
  const place = (((textHash(`${asked.model.id} ${tenantId}`) >>> 0) % PARTS) * 100) / PARTS
  let upTo = 0
  for (const { modelId, percent } of split) {
    upTo += percent
    if (place < upTo) return router.byId(modelId) ?? asked
  }
  return asked
}
