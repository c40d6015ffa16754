import { parse } from 'yaml'
import { z } from 'zod'
import { PythonError } from './python-error.js'

const text = z.union([z.string(), z.number()]).transform(String)
const Candidate = z.strictObject({
  infra: z.string().optional(),
  accelerators: text.optional(),
  instance_type: z.string().optional(),
  use_spot: z.boolean().optional(),
})
const Document = z.strictObject({
  name: z.string().optional(),
  resources: Candidate.extend({
    disk_size: z.union([z.int(), z.string()]).optional(),
    ports: z.union([text.transform((port) => [port]), z.array(text)]).optional(),
    any_of: z.array(Candidate).optional(),
    autostop: z.strictObject({ idle_minutes: z.int(), down: z.boolean() }).optional(),
  }).default({}),
  envs: z.record(z.string(), z.string()).default({}),
  secrets: z.record(z.string(), z.string()).default({}),
  setup: z.string().optional(),
  run: z.string().optional(),
})

/** A machine that a task may run on. */
export interface TaskPlace {
  readonly cloud: string
  readonly region: string
  readonly instanceType: string | null
  readonly accelerators: string | null
  readonly useSpot: boolean
}

export interface ReadTask {
  readonly name: string | null
  /** In the order in which they are tried. */
  readonly places: readonly TaskPlace[]
  readonly ports: readonly string[]
  readonly autodownMinutes: number | null
  readonly envs: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
  readonly setup: string | null
  readonly run: string | null
}

/** Reads a task as SkyPilot does: YAML 1.1, no unknown fields. @throws PythonError for what is no task */
export function readTask(yaml: string): ReadTask {
  let value: unknown
  try {
    value = parse(yaml, { version: '1.1' })
  } catch (error) {
    throw new PythonError('ValueError', `Invalid task YAML: ${error instanceof Error ? error.message : ''}`)
  }
  const { data, error } = Document.safeParse(value)
  if (data === undefined) {
    const issues = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new PythonError(
      'InvalidSkyPilotConfigError',
      `Invalid task YAML: \u001b[31m${issues.join('; ')}\u001b[0m`,
    )
  }
  const { any_of: anyOf, autostop, ports, disk_size: _size, ...base } = data.resources
  return {
    name: data.name ?? null,
    places: (anyOf ?? [{}]).map((candidate) => placeOf({ ...base, ...candidate })),
    ports: ports ?? [],
    autodownMinutes: autostop?.down === true ? autostop.idle_minutes : null,
    envs: data.envs,
    secrets: data.secrets,
    setup: data.setup ?? null,
    run: data.run ?? null,
  }
}

const CLOUDS = ['aws', 'gcp', 'azure', 'lambda', 'kubernetes', 'k8s', 'nebius', 'oci', 'runpod', 'vast', '*']

/** @throws PythonError for a cloud that SkyPilot does not know */
function placeOf(candidate: z.output<typeof Candidate>): TaskPlace {
  const [cloud = 'aws', region] = (candidate.infra ?? 'aws').split('/')
  if (!CLOUDS.includes(cloud))
    throw new PythonError(
      'InvalidSkyPilotConfigError',
      `Invalid resources YAML: '${candidate.infra ?? ''}' does not match '^(${CLOUDS.join('|')})'`,
    )
  return {
    cloud,
    region: region ?? (cloud === 'aws' ? 'us-east-1' : 'us-central1'),
    instanceType: candidate.instance_type ?? null,
    accelerators: candidate.accelerators ?? null,
    useSpot: candidate.use_spot ?? false,
  }
}
