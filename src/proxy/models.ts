import { GatewayError } from '../core/errors.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { SnapshotModel } from '../core/snapshot.js'
import type { HttpApp, HttpCall } from '../io/uws.js'
import { mayUse, modelNotFound } from './inference.js'
import type { KeyAuth } from './key-auth.js'
import type { Router } from './routing.js'

/** A GET needs no body; one that is announced all the same is bounded as everywhere. */
const MAX_BODY_BYTES = 1024 * 1024
const JSON_HEADERS = { 'content-type': 'application/json' }

/** `/v1/models` and `/v1/models/{model}` in OpenAI's shape: what the key may use and has a node. */
export function mountModels(app: HttpApp, auth: KeyAuth, router: Router): void {
  app.route('GET', '/v1/models', (call) => {
    withKey(auth, call, (key) => ({
      object: 'list',
      data: router
        .models()
        .filter(({ model }) => mayUse(key, model))
        .map(({ model }) => describe(model)),
    }))
  })
  app.route('GET', '/v1/models/{model*}', (call) => {
    withKey(auth, call, (key) => {
      const name = call.params['model'] ?? ''
      const route = router.find(name)
      if (route === undefined || route.targets.length === 0 || !mayUse(key, route.model)) {
        throw modelNotFound(name)
      }
      return describe(route.model)
    })
  })
}

function describe(model: SnapshotModel) {
  return { id: model.name, object: 'model', created: model.createdAt, owned_by: model.family }
}

function withKey(auth: KeyAuth, call: HttpCall, answer: (key: ResolvedKey) => unknown): void {
  const authorization = call.header('authorization')
  const reply = (key: ResolvedKey) => {
    try {
      if (call.contentLength > MAX_BODY_BYTES) throw new GatewayError('body_too_large')
      if (key.tenantStatus === 'suspended') throw new GatewayError('tenant_suspended')
      call.refuseQuery()
      call.reply(200, JSON_HEADERS, JSON.stringify(answer(key)))
    } catch (error) {
      call.fail(error)
    }
  }
  const key = auth.known(authorization)
  if (key !== null) reply(key)
  else {
    auth.resolve(authorization).then(reply, (error: unknown) => {
      call.fail(error)
    })
  }
}
