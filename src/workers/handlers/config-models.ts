import { uuidv7 } from 'uuidv7'
import type { SectionDiff } from '../../core/config-diff.js'
import type { ConfigDocument } from '../../core/contract/config.js'
import { createModel } from '../../core/contract/models.js'
import { parseBy } from '../../core/contract/validate.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import type { Queryable } from '../../io/query.js'
import { placed, planOf } from './config-section.js'
import { canonicalModel, type ConfigState, NAME_OF, type Stored } from './config-state.js'
import { modelColumns, type ModelFields, removeModel } from './models.js'
import { sentOver } from './sent-over.js'

const INSERT = loadQuery('models-insert')
const UPDATE = loadQuery('models-update')
const DELETE_NAMES = loadQuery('model-names-delete')
const INSERT_NAMES = loadQuery('model-names-insert')

type Entries = ConfigDocument['models']

/**
 * Makes the models what a document says, under the lock of the import.
 * @throws GatewayError by the rules of the models' own endpoints, with the place in the document
 */
export async function importModels(
  db: Queryable,
  entries: Entries,
  stored: ConfigState['models'],
  prune: boolean,
): Promise<SectionDiff> {
  const wanted = new Map<string, ModelFields>()
  const { diff, writes, removals } = await planOf({
    name: 'models',
    entries,
    nameField: 'name',
    nameOf: NAME_OF.models,
    stored,
    prune,
    wantedOf: (entry, before, index) => {
      const model = canonicalModel(
        before === undefined
          ? parseBy(createModel.body, entry, ['models', index])
          : sentOver(before.row, entry),
      )
      wanted.set(model.name, model)
      return model
    },
  })
  await requireUniqueNames(entries ?? [], wanted, stored, removals)

  for (const { id, row } of removals) await removeModel(db, { id, name: row.name })
  // Aliases may move from one model to another: all are free before the first is given.
  for (const { stored: before } of writes) if (before !== undefined) await db.query(DELETE_NAMES, [before.id])
  for (const { row, stored: before } of writes) {
    const id = before?.id ?? uuidv7()
    await db.query(before === undefined ? INSERT : UPDATE, modelColumns(id, row))
    await db.query(INSERT_NAMES, [id, row.name, row.aliases])
  }
  return diff
}

/**
 * Names and aliases of all models that there will be share one uniqueness.
 * @throws GatewayError already_exists, or invalid_parameter where a model has its own name as an alias
 */
async function requireUniqueNames(
  entries: NonNullable<Entries>,
  wanted: ReadonlyMap<string, ModelFields>,
  stored: ConfigState['models'],
  removals: readonly Stored<ModelFields>[],
): Promise<void> {
  const owners = new Map<string, string>()
  const gone = new Set(removals.map(({ row }) => row.name))
  for (const { row } of stored.values()) {
    if (wanted.has(row.name) || gone.has(row.name)) continue
    for (const name of [row.name, ...row.aliases]) owners.set(name, row.name)
  }
  for (const [index, { name }] of entries.entries()) {
    await placed('models', index, () => take(owners, name, name, 'name'))
  }
  for (const [index, entry] of entries.entries()) {
    const { name, aliases } = wanted.get(entry.name) ?? { name: entry.name, aliases: [] }
    for (const alias of aliases) {
      const place = entry.aliases?.indexOf(alias)
      const param = place === undefined ? 'aliases' : `aliases[${place}]`
      await placed('models', index, () => take(owners, alias, name, param))
    }
  }
}

function take(owners: Map<string, string>, name: string, model: string, param: string): void {
  const owner = owners.get(name)
  if (owner === model) {
    const message = `'${name}' is given as the model's name and as its alias.`
    throw new GatewayError('invalid_parameter', { param, message })
  }
  if (owner !== undefined) {
    const message = `The name '${name}' is taken by the model '${owner}'.`
    throw new GatewayError('already_exists', { param, message })
  }
  owners.set(name, model)
}
