import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import {
  createModel,
  deleteModel,
  getModel,
  listModels,
  type ModelChange,
  ModelKind,
  ModelStatus,
  patchModel,
  putModel,
} from '../../core/contract/models.js'
import { GatewayError } from '../../core/errors.js'
import { dollarsOfMicros, microsOfDollars } from '../../core/money.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { listing } from './listing.js'
import { requireFitRoutes } from './route-models.js'
import { sentOver } from './sent-over.js'

const LIST = loadSortedQuery('models-list')
const GET = loadQuery('models-get')
const LOCK = loadQuery('models-lock')
const INSERT = loadQuery('models-insert')
const UPDATE = loadQuery('models-update')
const DELETE = loadQuery('models-delete')
const USED_BY = loadQuery('models-used-by')
const DEPLOYED = loadQuery('deployments-of-model')
const BY_NAMES = loadQuery('models-by-names')
const DELETE_NAMES = loadQuery('model-names-delete')
const INSERT_NAMES = loadQuery('model-names-insert')

export const ModelRow = z.object({
  id: z.string(),
  name: z.string(),
  family: z.string(),
  size: z.string().nullable(),
  type: ModelKind,
  context_length: z.number(),
  vram_required_gb: z.number(),
  price_input_micros: z.coerce.number(),
  price_output_micros: z.coerce.number(),
  price_cached_input_micros: z.coerce.number().nullable(),
  tokens_per_second_capacity: z.number().nullable(),
  status: ModelStatus,
  aliases: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
type ModelRow = z.infer<typeof ModelRow>

type PriceMicros = Pick<ModelRow, 'price_input_micros' | 'price_output_micros' | 'price_cached_input_micros'>

/** Dollars per million tokens. */
export function tokenPrices(row: PriceMicros) {
  const cached = row.price_cached_input_micros
  return {
    price_input_per_million: dollarsOfMicros(row.price_input_micros),
    price_output_per_million: dollarsOfMicros(row.price_output_micros),
    price_cached_input_per_million: cached === null ? null : dollarsOfMicros(cached),
  }
}

function shown(row: ModelRow) {
  const {
    price_input_micros: _input,
    price_output_micros: _output,
    price_cached_input_micros: _cached,
    version: _version,
    ...same
  } = row
  return {
    ...same,
    ...tokenPrices(row),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}
type ModelShown = ReturnType<typeof shown>
export type ModelFields = Omit<ModelShown, 'id' | 'created_at' | 'updated_at'>

/** Columns of INSERT and UPDATE, in their order; the contract has seen to it that prices are exact. */
export function modelColumns(id: string, model: ModelFields): unknown[] {
  const cached = model.price_cached_input_per_million
  return [
    id,
    model.name,
    model.family,
    model.size,
    model.type,
    model.context_length,
    model.vram_required_gb,
    microsOfDollars(model.price_input_per_million),
    microsOfDollars(model.price_output_per_million),
    cached === null ? null : microsOfDollars(cached),
    model.tokens_per_second_capacity,
    model.status,
    JSON.stringify(model.metadata),
  ]
}

/**
 * Gives the model exactly these names.
 * @throws GatewayError already_exists with the field whose name is taken by another model, invalid_parameter with
 *   the field that gives the model the same name twice
 */
async function setNames(
  db: Queryable,
  id: string,
  { name, aliases }: ModelFields,
  sent: ModelChange['body'],
): Promise<void> {
  if (aliases.includes(name)) {
    throw new GatewayError('invalid_parameter', {
      param: sent.aliases === undefined ? 'name' : `aliases[${aliases.indexOf(name)}]`,
      message: `'${name}' is given as the model's name and as its alias.`,
    })
  }
  await db.query(DELETE_NAMES, [id])
  const [taken] = await rowsOf(db, BY_NAMES, z.object({ name: z.string() }), [[name, ...aliases]])
  if (taken !== undefined) {
    const param = taken.name === name ? 'name' : `aliases[${aliases.indexOf(taken.name)}]`
    const message = `The name '${taken.name}' is taken by a model.`
    throw new GatewayError('already_exists', { param, message })
  }
  await db.query(INSERT_NAMES, [id, name, aliases])
}

async function lock({ db, requireVersion }: HandlerContext, id: string): Promise<ModelRow> {
  const row = await rowOf(db, LOCK, ModelRow, [id])
  if (row === null) throw noModel(id)
  requireVersion(row.version)
  return row
}

function noModel(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no model '${id}'.` })
}

/**
 * Deletes a model whose row is locked. Whether another one's route names it is for the caller to check.
 * @throws GatewayError in_use that names the nodes or deployments that it still has
 */
export async function removeModel(db: Queryable, { id, name }: { id: string; name: string }): Promise<void> {
  const nodes = await rowsOf(db, USED_BY, z.object({ cluster_name: z.string() }), [id])
  if (nodes.length > 0) {
    const names = nodes.map((node) => node.cluster_name).join(', ')
    throw new GatewayError('in_use', {
      message: `The model '${name}' still has nodes: ${names}. Terminate them first.`,
    })
  }
  const deployments = await rowsOf(db, DEPLOYED, z.object({ id: z.string() }), [id])
  if (deployments.length > 0) {
    const ids = deployments.map((deployment) => deployment.id).join(', ')
    throw new GatewayError('in_use', {
      message: `The model '${name}' still has deployments: ${ids}. Delete them first.`,
    })
  }
  await db.query(DELETE_NAMES, [id])
  await db.query(DELETE, [id])
}

async function change({ params: { id }, body }: ModelChange, context: HandlerContext) {
  const { db } = context
  const before = shown(await lock(context, id))
  const wanted = sentOver(before, body)
  await db.query(UPDATE, modelColumns(id, wanted))
  if (wanted.type !== before.type) await requireFitRoutes(db, id)
  if (body.name !== undefined || body.aliases !== undefined) await setNames(db, id, wanted, body)
  const row = await theRowOf(db, GET, ModelRow, [id])
  const after = shown(row)
  await audit(context, { action: 'model.update', targetType: 'model', targetId: id, before, after })
  return new Versioned(after, row.version)
}

export const modelsHandlers: readonly Handler[] = [
  handle(listModels, async ({ query }, { db }) => {
    const { rows, total } = await pageOf(db, LIST(query.sort), ModelRow, [
      query.family ?? null,
      query.type ?? null,
      query.status ?? null,
      query.min_vram ?? null,
      query.max_vram ?? null,
      query.search ?? null,
      query.limit,
      query.offset,
    ])
    return listing(rows.map(shown), total, query)
  }),

  handle(createModel, async ({ body }, context) => {
    const { db } = context
    const id = uuidv7()
    await db.query(INSERT, modelColumns(id, body))
    await setNames(db, id, body, body)
    const row = await theRowOf(db, GET, ModelRow, [id])
    const after = shown(row)
    await audit(context, { action: 'model.create', targetType: 'model', targetId: id, before: null, after })
    return new Versioned(after, row.version)
  }),

  handle(getModel, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, ModelRow, [params.id])
    if (row === null) throw noModel(params.id)
    return new Versioned(shown(row), row.version)
  }),

  handle(putModel, change),
  handle(patchModel, change),

  handle(deleteModel, async ({ params: { id } }, context) => {
    const { db } = context
    const before = shown(await lock(context, id))
    await removeModel(db, before)
    await requireFitRoutes(db, id)
    await audit(context, { action: 'model.delete', targetType: 'model', targetId: id, before, after: null })
    return { id, status: 'deleted' }
  }),
]
