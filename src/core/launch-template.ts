import { parseDocument } from 'yaml'
import { z } from 'zod'
import { NodeEngine } from './contract/nodes.js'
import type { Engine } from './snapshot.js'
import {
  compileText,
  isListPlaceholder,
  isPrintable,
  LaunchTemplateError,
  type TemplateText,
} from './template-text.js'

/**
 * How an engine is launched, as a YAML file says it. The file is the operator's: no body of the API holds one or names
 * one, it names an engine.
 */
const printable = z.string().max(4_000).refine(isPrintable, 'control characters are not allowed')
const variable = z.string().regex(/^[A-Z_][A-Z0-9_]{0,99}$/, 'expected the name of an environment variable')
const path = printable.regex(/^\/[^\s?#]*$/, 'expected a path that begins with /')
const seconds = (most: number) => z.number().min(0.05).max(most)

const Secret = z.strictObject({
  /** What it is called where it is kept; `api_key` is the node's own. */
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'expected lower-case letters, digits and _'),
  /** The environment variable that the engine reads it from. */
  env: variable,
  /** Whether a launch without it is refused. */
  required: z.boolean().default(true),
})

const Template = z.strictObject({
  /** What callers name. */
  engine: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected lower-case letters, digits and hyphens'),
  /** As which engine it is spoken to; default: as the one whose name it has, else as any that has OpenAI's API. */
  api: NodeEngine.optional(),
  /** The program and its arguments, one item each; no shell reads them. */
  command: z.array(printable.min(1)).min(1).max(200),
  env: z.record(variable, printable).default({}),
  secrets: z.array(Secret).max(20).default([]),
  readiness: z.strictObject({
    /** Answers 2xx once the engine serves. */
    path,
    /** From the start of the process, the loading of the model included. */
    timeout_seconds: seconds(86_400),
    interval_seconds: seconds(60).default(1),
  }),
  /** Null: the engine has none. */
  metrics_path: path.nullable().default('/metrics'),
  stop: z
    .strictObject({
      signal: z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT']).default('SIGTERM'),
      /** From the signal to SIGKILL. */
      grace_seconds: seconds(3_600).default(30),
    })
    .prefault({}),
  restart: z
    .strictObject({
      /** Starts in a row that may fail before it is given up. */
      attempts: z.number().int().min(1).max(1_000).default(5),
      first_pause_seconds: seconds(3_600).default(1),
      longest_pause_seconds: seconds(3_600).default(60),
      /** A process that served this long had started well: the count begins anew. */
      steady_seconds: seconds(86_400).default(60),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** 0 to 19: how far behind others it stands for the processor. */
      nice: z.number().int().min(0).max(19).default(0),
      /** Private memory of each of its processes; null: no bound. */
      memory_gb: z.number().min(0.01).max(65_536).nullable().default(null),
      /** Processors, as `taskset -c` names them; null: all. */
      cpus: z
        .string()
        .regex(/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/, 'expected processors like 0-3,8')
        .nullable()
        .default(null),
    })
    .prefault({}),
  engine_args: z
    .strictObject({
      /** Flags that no caller of the API may set, beside host, port, keys and model. */
      refuse: z
        .array(z.string().regex(/^--[a-z0-9][a-z0-9-]*$/, 'expected --flag'))
        .max(200)
        .default([]),
      /** A regular expression that a whole value has to match. */
      values: z
        .string()
        .max(1_000)
        .default('[A-Za-z0-9._/:=,@+-]{1,200}')
        .transform((source, context) => {
          try {
            return new RegExp(`^(?:${source})$`, 'u')
          } catch {
            context.addIssue({ code: 'custom', message: 'expected a regular expression' })
            return z.NEVER
          }
        }),
    })
    .prefault({}),
})
type Checked = z.output<typeof Template>

export interface LaunchTemplate extends Omit<Checked, 'api' | 'command' | 'env'> {
  /** Where it was read from, for errors. */
  readonly file: string
  /** The `engine` of nodes that are launched by it: what requests and answers have to be like. */
  readonly api: Engine
  /** One item for each argument; null is the place of the engine's arguments, all of them. */
  readonly command: readonly (TemplateText | null)[]
  readonly env: ReadonlyMap<string, TemplateText>
}

/**
 * Reads a launch template and checks everything that does not depend on a launch.
 * @param file its name, for errors
 * @throws LaunchTemplateError with the file and every field that is wrong
 */
export function parseLaunchTemplate(file: string, text: string): LaunchTemplate {
  const parsed = Template.safeParse(yamlValue(file, text))
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) => `${fieldText(path) || 'file'}: ${message}`,
    )
    throw new LaunchTemplateError(`${file}: ${problems.join('; ')}`)
  }
  const { data } = parsed
  return { ...data, file, api: data.api ?? apiOf(data.engine), ...placed(file, data) }
}

function apiOf(engine: string): Engine {
  return NodeEngine.options.find((known) => known === engine) ?? 'openai'
}

/** Without aliases, and without anything that YAML's reader would only warn of. */
function yamlValue(file: string, text: string): unknown {
  try {
    const document = parseDocument(text, { prettyErrors: true })
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem !== undefined) throw problem
    const value: unknown = document.toJS({ maxAliasCount: 0 })
    return value
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    throw new LaunchTemplateError(`${file}: not valid YAML: ${reason}`, { cause: error })
  }
}

function placed(file: string, { command, env, secrets }: Checked) {
  const lists = command.filter(isListPlaceholder).length
  if (lists > 1) throw new LaunchTemplateError(`${file}: command: '{{engine_args}}' stands ${lists} times`)
  const variables = [...Object.keys(env), ...secrets.map((secret) => secret.env)]
  const twice = variables.find((name, at) => variables.indexOf(name) !== at)
  if (twice !== undefined) throw new LaunchTemplateError(`${file}: env.${twice}: it is set twice`)
  const compiled = command.map((item, at) =>
    isListPlaceholder(item) ? null : compileText(item, `${file}: command[${at}]`),
  )
  if (compiled[0] === null) throw new LaunchTemplateError(`${file}: command[0]: expected a program`)
  return {
    command: compiled,
    env: new Map(
      Object.entries(env).map(([name, value]) => [name, compileText(value, `${file}: env.${name}`)]),
    ),
  }
}

function fieldText(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`))
    .join('')
}
