import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { ModelName } from './fields.js'
import { instanceTypeFields } from './instance-types.js'
import { modelFields } from './models.js'
import { regionFields } from './regions.js'
import { routeFields } from './routes.js'
import { tenantFields } from './tenants.js'

/** The limits of a tenant; what it is called and its keys are no part of the document. */
const { name: _name, email, ...tenantLimits } = tenantFields

/**
 * The configuration document. Its fields are those of the resources' own bodies; a row is known by its name: a model by
 * `name`, a route by its `model`, a tenant by `email`, a region by `provider` and `code`, an instance type by `provider`
 * and `name`.
 */
export const ConfigDocument = z
  .strictObject({
    version: z.literal(1),
    models: z.array(z.strictObject(modelFields).partial().required({ name: true })),
    routes: z.array(
      z
        .strictObject({ model: ModelName, ...routeFields })
        .partial()
        .required({ model: true }),
    ),
    tenants: z.array(
      z
        .strictObject({ email, ...tenantLimits })
        .partial()
        .required({ email: true }),
    ),
    regions: z.array(z.strictObject(regionFields).partial().required({ provider: true, code: true })),
    instance_types: z.array(
      z.strictObject(instanceTypeFields).partial().required({ provider: true, name: true }),
    ),
  })
  .partial()
  .required({ version: true })
  .meta({ id: 'ConfigDocument' })
export type ConfigDocument = z.output<typeof ConfigDocument>

const RowChange = z.object({
  name: z.string().meta({ description: 'Of the row in the document: `llama-3.1-8b`, `aws/us-east-1`.' }),
  fields: z.record(z.string(), z.object({ before: z.unknown(), after: z.unknown() })).meta({
    description: 'Those that differ. Of a new row every before is null, of a deleted one every after.',
  }),
})

const SectionDiff = z
  .object({
    created: z.array(RowChange),
    updated: z.array(RowChange),
    unchanged: z.array(z.string()),
    deleted: z.array(RowChange).meta({ description: 'Of routes: back to the defaults.' }),
  })
  .meta({ id: 'ConfigSectionDiff' })

const ConfigDiff = z
  .object({
    dry_run: z.boolean(),
    prune: z.boolean(),
    models: SectionDiff,
    routes: SectionDiff,
    tenants: SectionDiff,
    regions: SectionDiff,
    instance_types: SectionDiff,
  })
  .meta({ id: 'ConfigDiff' })

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')

const tag = 'Configuration'

export const exportConfig = endpoint({
  id: 'config.export',
  method: 'GET',
  path: '/admin/config/export',
  auth: 'admin',
  tag,
  summary: "Shows models, routes, tenants' limits, regions and instance types as one YAML document",
  description:
    'In a stable order and with every field, so that it can be kept in version control and sent back as it is. It ' +
    'holds no keys and no other secrets, and neither nodes nor deployments.',
  replyType: 'yaml',
  reply: { 200: ConfigDocument },
  errors: [],
})

export const importConfig = endpoint({
  id: 'config.import',
  method: 'POST',
  path: '/admin/config/import',
  auth: 'admin',
  tag,
  summary: 'Applies a document as a difference, all of it or nothing, and answers that difference',
  description:
    'The body is YAML or JSON of at most 1 MiB, without anchors, aliases and tags. Rows are created or changed by the ' +
    'rules of POST and PATCH: fields that are left out stay as they are. With `prune`, rows that are not in a list go ' +
    'by the rules of DELETE, routes back to the defaults; a list that is left out is not touched. Tenants are neither ' +
    'created nor deleted. With `dry_run` nothing is changed.',
  query: z.strictObject({ dry_run: flag, prune: flag }),
  bodyType: 'yaml',
  body: ConfigDocument,
  reply: { 200: ConfigDiff },
  errors: ['already_exists', 'in_use', 'not_found'],
})

export const configEndpoints = [exportConfig, importConfig]
