import type { SnapshotModel } from '../core/snapshot.js'
import type { HttpApp } from '../io/uws.js'
import { mayUse, modelNotFound } from './inference.js'
import { withKey } from './key-call.js'
import type { KeyAuth } from './key-auth.js'
import type { Router } from './routing.js'

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
