import type { SnapshotModel } from '../core/snapshot.js'
import type { HttpApp, HttpCall } from '../io/uws.js'
import { mayUse, modelNotFound } from './inference.js'
import type { KeyAuth } from './key-auth.js'
import { withKey } from './own-key.js'
import { isOffered, type Router } from './routing.js'

const JSON_HEADERS = { 'content-type': 'application/json' }

/** `/v1/models` and `/v1/models/{model}` in OpenAI's shape: what the key may use and has a node, or will have. */
export function mountModels(app: HttpApp, auth: KeyAuth, router: Router): void {
  app.route('GET', '/v1/models', (call) => {
    withKey(auth, call, (key) => {
      call.refuseQuery()
      const data = router
        .models()
        .filter(({ model }) => mayUse(key, model))
        .map(({ model }) => describe(model))
      reply(call, { object: 'list', data })
    })
  })
  app.route('GET', '/v1/models/{model*}', (call) => {
    withKey(auth, call, (key) => {
      call.refuseQuery()
      const name = call.params['model'] ?? ''
      const route = router.find(name)
      if (route === undefined || !isOffered(route) || !mayUse(key, route.model)) {
        throw modelNotFound(name)
      }
      reply(call, describe(route.model))
    })
  })
}

function reply(call: HttpCall, body: unknown): void {
  call.reply(200, JSON_HEADERS, JSON.stringify(body))
}

function describe(model: SnapshotModel) {
  return { id: model.name, object: 'model', created: model.createdAt, owned_by: model.family }
}
