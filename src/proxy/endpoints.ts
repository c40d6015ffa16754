import { type CallableModel, listEndpoints } from '../core/contract/endpoints.js'
import { parseBy, parseQuery } from '../core/contract/validate.js'
import { endpointStatus } from '../core/endpoint-status.js'
import { GatewayError } from '../core/errors.js'
import type { ModelFigures } from '../core/model-figures.js'
import { dollarsOfMicros } from '../core/money.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { HttpApp, HttpCall } from '../io/uws.js'
import { countTrusted } from './candidates.js'
import { mayUse, modelNotFound } from './inference.js'
import type { KeyAuth } from './key-auth.js'
import { withKey } from './own-key.js'
import { createRecentFigures } from './recent-figures.js'
import type { ModelRoute, Router } from './routing.js'

export interface EndpointsDeps {
  readonly auth: KeyAuth
  readonly router: Router
  /** Has a worker thread read the figures of all models. */
  readonly readFigures: () => Promise<readonly ModelFigures[]>
  /** What OpenAI clients take as base URL. */
  readonly baseUrl: string
  /** Unix milliseconds, as the router has them. */
  readonly now: () => number
}

const HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }

/** `/v1/endpoints` and `/v1/endpoints/{model_id}`: what the key may call, with its state as this proxy sees it now. */
export function mountEndpoints(app: HttpApp, deps: EndpointsDeps): void {
  const { auth, router, readFigures, baseUrl, now } = deps
  const figures = createRecentFigures({ read: readFigures, now: () => performance.now() })
  const describe = (route: ModelRoute, known: ReadonlyMap<string, ModelFigures>) =>
    describeModel(route, { figures: known.get(route.model.id), baseUrl, nowMs: now() })

  app.route('GET', '/v1/endpoints', (call) => {
    withKey(auth, call, async (key) => {
      const { type } = parseBy(listEndpoints.query, parseQuery(call.query))
      const known = await figures()
      const data = router
        .models()
        .filter(({ model }) => mayUse(key, model) && (type === undefined || model.type === type))
        .map((route) => describe(route, known))
        .filter(({ status }) => status !== 'unavailable')
      reply(call, { data })
    })
  })
  app.route('GET', '/v1/endpoints/{model_id*}', (call) => {
    withKey(auth, call, async (key) => {
      call.refuseQuery()
      const name = call.params['model_id'] ?? ''
      requireRoute(router, key, name)
      const known = await figures()
      reply(call, describe(requireRoute(router, key, name), known))
    })
  })
}

/** @throws GatewayError model_not_found for what is not there and for what the key may not use, alike */
function requireRoute(router: Router, key: ResolvedKey, name: string): ModelRoute {
  const route = router.byId(name.toLowerCase()) ?? router.find(name)
  if (route !== undefined && mayUse(key, route.model)) return route
  const { message } = modelNotFound(name)
  throw new GatewayError('model_not_found', { param: 'model_id', message })
}

/** A model as tenants see it: prices of now, and its nodes as this process judges them. */
export function describeModel(
  { model, targets }: Pick<ModelRoute, 'model' | 'targets'>,
  {
    figures,
    baseUrl,
    nowMs,
  }: { readonly figures: ModelFigures | undefined; readonly baseUrl: string; readonly nowMs: number },
): CallableModel {
  const { serving, trusted } = countTrusted(targets, nowMs)
  const withRoom = targets.filter((target) => target.unavailable(nowMs) === null).length
  const { inputMicros, cachedInputMicros, outputMicros } = model.prices
  return {
    model_id: model.id,
    model_name: model.name,
    family: model.family,
    type: model.type,
    context_length: model.contextLength,
    price_input_per_million: dollarsOfMicros(inputMicros),
    price_output_per_million: dollarsOfMicros(outputMicros),
    price_cached_input_per_million: cachedInputMicros === null ? null : dollarsOfMicros(cachedInputMicros),
    status: endpointStatus({ serving, healthy: trusted, withRoom }),
    avg_latency_ms: figures?.avgLatencyMs ?? null,
    p95_ttft_ms: figures?.p95TtftMs ?? null,
    capacity_tps: model.tokensPerSecond === null ? null : model.tokensPerSecond * trusted,
    healthy_nodes: trusted,
    base_url: baseUrl,
  }
}

function reply(call: HttpCall, body: unknown): void {
  call.reply(200, HEADERS, JSON.stringify(body))
}
