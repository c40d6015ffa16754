import { z } from 'zod'
import { ModelKind } from '../../core/contract/models.js'
import type { RouteChange } from '../../core/contract/routes.js'
import { GatewayError } from '../../core/errors.js'
import { type Ways, wayBetween } from '../../core/route-ways.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, rowsOf } from '../../io/query.js'

const LOCK_GRAPH = loadQuery('routes-lock-graph')
const BY_NAMES = loadQuery('models-for-route')
const DELETE = loadQuery('route-models-delete')
const INSERT = loadQuery('route-models-insert')
const WAYS = loadQuery('route-models-ways')
const UNFIT = loadQuery('route-models-unfit')

interface Named {
  readonly id: string
  /** Its own, not an alias. */
  readonly name: string
}
interface Share extends Named {
  readonly percent: number
}

/** The models that a body names for a route; undefined: it says nothing of them, those that are there stay. */
export interface RouteModels {
  readonly fallbacks: readonly Named[] | undefined
  readonly mirror: Share | null | undefined
  readonly split: readonly Share[] | undefined
}
export const SAME_MODELS: RouteModels = { fallbacks: undefined, mirror: undefined, split: undefined }
export const NO_MODELS: RouteModels = { fallbacks: [], mirror: null, split: [] }

type SentModels = Pick<RouteChange, 'fallback_models' | 'mirror' | 'split'>

/**
 * Lets nobody else change which models routes name until the transaction ends, where a body does; before any row is
 * locked.
 */
export async function lockRouteGraph(db: Queryable, sent: SentModels): Promise<void> {
  const { fallback_models, mirror, split } = sent
  if (fallback_models !== undefined || mirror !== undefined || split !== undefined) await db.query(LOCK_GRAPH)
}

const Found = z.object({
  asked: z.string(),
  id: z.string(),
  name: z.string(),
  type: ModelKind,
  own_type: ModelKind,
})

/**
 * The models that a body names for the route of a model, which is locked; they are held as they are.
 * @throws GatewayError not_found for a name that no model has, invalid_parameter for the model itself, one of another
 *   type or one that stands twice, with the name's place as `param`
 */
export async function findRouteModels(
  db: Queryable,
  modelId: string,
  { fallback_models, mirror, split }: SentModels,
): Promise<RouteModels> {
  const names = [...(fallback_models ?? []), ...[mirror ?? [], split ?? []].flat().map(({ model }) => model)]
  const rows = names.length === 0 ? [] : await rowsOf(db, BY_NAMES, Found, [modelId, names])
  const found = new Map(rows.map((row) => [row.asked, row]))
  const one = (param: string, name: string): Named => {
    const model = found.get(name)
    if (model === undefined) {
      throw new GatewayError('not_found', { param, message: `There is no model named '${name}'.` })
    }
    if (model.id === modelId) throw invalid(param, 'it is the model of the route itself')
    if (model.type !== model.own_type) {
      throw invalid(
        param,
        `'${model.name}' is of type ${model.type}, the model of the route ${model.own_type}`,
      )
    }
    return { id: model.id, name: model.name }
  }
  return {
    fallbacks:
      fallback_models &&
      eachOnce(fallback_models, (name, index) => [
        `fallback_models[${index}]`,
        one(`fallback_models[${index}]`, name),
      ]),
    mirror: mirror && { ...one('mirror.model', mirror.model), percent: mirror.percent },
    split:
      split &&
      eachOnce(split, ({ model, percent }, index) => {
        const param = `split[${index}].model`
        return [param, { ...one(param, model), percent }]
      }),
  }
}

/** @throws GatewayError invalid_parameter for a model that stands twice, be it by another of its names */
function eachOnce<Entry, Model extends Named>(
  entries: readonly Entry[],
  modelOf: (entry: Entry, index: number) => [param: string, model: Model],
): Model[] {
  const models = new Map<string, Model>()
  for (const [index, entry] of entries.entries()) {
    const [param, model] = modelOf(entry, index)
    if (models.has(model.id)) throw invalid(param, `'${model.name}' stands there twice`)
    models.set(model.id, model)
  }
  return [...models.values()]
}

/** Writes the models that a route names, where they are to be set. The route's own row is there. */
export async function writeRouteModels(
  db: Queryable,
  modelId: string,
  { fallbacks, mirror, split }: RouteModels,
): Promise<void> {
  const lists = [
    { use: 'fallback', models: fallbacks?.map((model) => ({ ...model, percent: null })) },
    { use: 'mirror', models: mirror === undefined ? undefined : mirror === null ? [] : [mirror] },
    { use: 'split', models: split },
  ].filter(({ models }) => models !== undefined)
  if (lists.length === 0) return
  await db.query(DELETE, [modelId, lists.map(({ use }) => use)])
  const rows = lists.flatMap(({ use, models = [] }) =>
    models.map(({ id, percent }, position) => ({ use, position, id, percent })),
  )
  if (rows.length === 0) return
  await db.query(INSERT, [
    modelId,
    rows.map(({ use }) => use),
    rows.map(({ position }) => position),
    rows.map(({ id }) => id),
    rows.map(({ percent }) => percent),
  ])
}

/** Where requests may go, as of now. */
export async function readWays(db: Queryable): Promise<Ways> {
  const rows = await rowsOf(db, WAYS, z.object({ model: z.string(), target: z.string() }), [])
  const ways = new Map<string, string[]>()
  for (const { model, target } of rows) {
    const targets = ways.get(model)
    if (targets === undefined) ways.set(model, [target])
    else targets.push(target)
  }
  return ways
}

/**
 * Sees to it that requests for a model do not come back to it by what was written for its route.
 * @throws GatewayError invalid_parameter with the place of the first model that leads back
 */
export function requireNoLoop(ways: Ways, model: string, { fallbacks = [], split = [] }: RouteModels): void {
  const lists: [readonly Named[], (index: number) => string][] = [
    [fallbacks, (index) => `fallback_models[${index}]`],
    [split, (index) => `split[${index}].model`],
  ]
  for (const [named, param] of lists) {
    for (const [index, { name }] of named.entries()) {
      const way = wayBetween(ways, name, model)
      if (way !== null)
        throw invalid(param(index), `requests would go in a loop: ${[model, ...way].join(' → ')}`)
    }
  }
}

const Unfit = z.object({
  model: z.string(),
  target: z.string(),
  use: z.enum(['fallback', 'mirror', 'split']),
  model_type: ModelKind,
  target_type: ModelKind,
  is_deleted: z.boolean(),
})

const USE = { fallback: 'as a fallback', mirror: 'as its mirror', split: 'in its split' } as const

/**
 * Sees to it that no route names a model that is deleted or of another type, after a model was changed.
 * @param modelId the model; null: several were
 * @throws GatewayError in_use that says whose route names which
 */
export async function requireFitRoutes(db: Queryable, modelId: string | null): Promise<void> {
  const unfit = await rowOf(db, UNFIT, Unfit, [modelId])
  if (unfit === null) return
  const { model, target, use, model_type, target_type, is_deleted } = unfit
  const named = `The route of the model '${model}' names '${target}' ${USE[use]}`
  throw new GatewayError('in_use', {
    message: is_deleted
      ? `${named}. Take it out there first.`
      : `${named}: they would be of the types ${model_type} and ${target_type}. Take it out there first.`,
  })
}

function invalid(param: string, why: string): GatewayError {
  return new GatewayError('invalid_parameter', { param, message: `Invalid '${param}': ${why}.` })
}
