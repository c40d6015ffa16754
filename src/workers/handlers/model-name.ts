import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf } from '../../io/query.js'
import type { HandlerContext } from './handler.js'

const OWN_NAME = loadQuery('models-own-name')
const HOLD = loadQuery('models-lock-by-name')

/** The name that usage records hold of a model, by any of its names; null: no model is asked for. */
export async function ownName({ db }: HandlerContext, name: string | undefined): Promise<string | null> {
  if (name === undefined) return null
  const model = await rowOf(db, OWN_NAME, z.object({ name: z.string() }), [name])
  return model?.name ?? name
}

/**
 * The model that a name or alias stands for, held until the transaction ends.
 * @throws GatewayError not_found with `model_name`
 */
export async function holdModel(db: Queryable, name: string): Promise<{ id: string; name: string }> {
  const model = await rowOf(db, HOLD, z.object({ id: z.string(), name: z.string() }), [name])
  if (model !== null) return model
  throw new GatewayError('not_found', { param: 'model_name', message: `There is no model '${name}'.` })
}
