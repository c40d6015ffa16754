import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowsOf } from '../../io/query.js'

const BY_NAMES = loadQuery('models-by-names')
const NamedModel = z.object({ name: z.string(), model_id: z.string() })

/**
 * Ids of the models that names or aliases stand for; null, which means every model, stays null.
 * @throws GatewayError not_found with `allowed_models[i]` for a name that no model has
 */
export async function allowedModelIds(
  db: Queryable,
  names: readonly string[] | null,
): Promise<string[] | null> {
  if (names === null) return null
  const found = await rowsOf(db, BY_NAMES, NamedModel, [names])
  const ids = new Map(found.map(({ name, model_id }) => [name, model_id]))
  const resolved = names.map((name, index) => {
    const id = ids.get(name)
    if (id !== undefined) return id
    throw new GatewayError('not_found', {
      param: `allowed_models[${index}]`,
      message: `There is no model named '${name}'.`,
    })
  })
  return [...new Set(resolved)]
}
