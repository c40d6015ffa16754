/**
 * What SkyPilot is told to run, as the YAML document that it reads. A task sends no files: nothing has to be uploaded.
 */
import { stringify } from 'yaml'
import { z } from 'zod'

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
/** What SkyPilot's reader takes for a line break, or for no text at all, wherever it stands. */
const readable = z
  .string()
  .regex(/^[^\u2028\u2029\ufffe\uffff]*$/u, 'has a character that YAML does not carry')

/** One way to get the machine. What is left out, SkyPilot chooses by price. */
const Place = z.strictObject({
  /** `aws`, `aws/us-east-1`, `aws/us-east-1/us-east-1a`. */
  infra: z
    .string()
    .regex(/^[a-z0-9_*-]+(?:\/[A-Za-z0-9_.*-]+){0,2}$/)
    .optional(),
  /** `H100:8`; `H100` is one of them. */
  accelerators: z
    .string()
    .regex(/^[A-Za-z0-9._-]+(?::\d+(?:\.\d+)?)?$/)
    .optional(),
  instanceType: z
    .string()
    .regex(/^[A-Za-z0-9._-]+$/)
    .optional(),
  useSpot: z.boolean().optional(),
})

export const SkyPilotTask = z.strictObject({
  name: z.string().min(1).max(120),
  resources: Place.extend({
    diskSizeGb: z.int().min(1).optional(),
    /** What may be reached from outside. */
    ports: z.array(z.int().min(1).max(65_535)).default([]),
    /** Other places in the order of preference, each of which inherits from the rest. */
    anyOf: z.array(Place).default([]),
    /** A dead man's switch: the machine goes when nothing has run on it for so long. A running server counts as work. */
    autodownMinutes: z.int().min(1).optional(),
  }),
  envs: z.record(variableName, readable).default({}),
  /** As `envs`, but kept out of what SkyPilot shows. Their values stand nowhere else in the task. */
  secrets: z.record(variableName, z.string().min(1)).default({}),
  /** Shell commands, once for each machine. */
  setup: readable.optional(),
  /** Shell commands: the server itself. */
  run: readable.min(1),
})
/** A task as it is written down. */
export type SkyPilotTaskInput = z.input<typeof SkyPilotTask>
export type SkyPilotTask = z.output<typeof SkyPilotTask>

/** A task with its defaults. @throws Error that says what is wrong and quotes no secret */
export function parseSkyPilotTask(input: SkyPilotTaskInput): SkyPilotTask {
  const { data: task, error } = SkyPilotTask.safeParse(input)
  if (task === undefined) {
    const issues = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Error(`not a task: ${issues.join('; ')}`)
  }
  const { secrets, ...shown } = task
  const text = JSON.stringify(shown)
  for (const [name, value] of Object.entries(secrets)) {
    // Whatever is not under `secrets` is stored and shown by SkyPilot as it is.
    if (text.includes(JSON.stringify(value).slice(1, -1)))
      throw new Error(`not a task: the value of the secret ${name} stands outside secrets`)
  }
  return task
}

/**
 * The YAML document that SkyPilot is sent. SkyPilot's API has one place for secrets, the mapping `secrets` of this
 * document, so their values are in it only for a launch; everything that is checked, shown or logged has the names alone.
 */
export function skyPilotYaml(task: SkyPilotTask, secrets: 'with-values' | 'names-only'): string {
  const { resources } = task
  const names = Object.keys(task.secrets)
  const document = {
    name: task.name,
    resources: {
      ...placeFields(resources),
      disk_size: resources.diskSizeGb,
      ports: resources.ports.length === 0 ? undefined : resources.ports,
      any_of: resources.anyOf.length === 0 ? undefined : resources.anyOf.map(placeFields),
      autostop:
        resources.autodownMinutes === undefined
          ? undefined
          : { idle_minutes: resources.autodownMinutes, down: true },
    },
    envs: emptyAsNone(task.envs),
    secrets: emptyAsNone(
      secrets === 'with-values' ? task.secrets : Object.fromEntries(names.map((name) => [name, 'hidden'])),
    ),
    setup: task.setup,
    run: task.run,
  }
  // SkyPilot reads YAML 1.1, where unquoted `on`, `1_000` and `12:30` are no strings.
  return stringify(document, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })
}

function placeFields({ infra, accelerators, instanceType, useSpot }: z.output<typeof Place>) {
  return { infra, accelerators, instance_type: instanceType, use_spot: useSpot }
}

function emptyAsNone(values: Record<string, string>): Record<string, string> | undefined {
  return Object.keys(values).length === 0 ? undefined : values
}

/** Whether SkyPilot accepts a name for a cluster. */
export function isClusterName(text: string): boolean {
  return text.length <= 120 && /^[a-zA-Z](?:[-_.a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(text)
}
