import { z } from 'zod'
import { loadQuery } from '../../io/postgres.js'
import { rowOf } from '../../io/query.js'
import type { HandlerContext } from './handler.js'

const OWN_NAME = loadQuery('models-own-name')

/** The name that usage records hold of a model, by any of its names; null: no model is asked for. */
export async function ownName({ db }: HandlerContext, name: string | undefined): Promise<string | null> {
  if (name === undefined) return null
  const model = await rowOf(db, OWN_NAME, z.object({ name: z.string() }), [name])
  return model?.name ?? name
}
