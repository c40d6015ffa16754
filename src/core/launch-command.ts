import { checkEngineArgs } from './engine-args.js'
import type { LaunchTemplate } from './launch-template.js'
import {
  fillText,
  isPrintable,
  LaunchTemplateError,
  type TemplateText,
  type TemplateValues,
} from './template-text.js'

/** What one launch puts into a template. */
export interface LaunchValues {
  /** The `api_key` is a secret too: also where it stands among them. */
  readonly values: TemplateValues
  readonly engineArgs: readonly string[]
  /** Values of secrets by name, beside `api_key`. */
  readonly secrets: Readonly<Record<string, string>>
}

/** A command that can be run as it is. */
export interface LaunchCommand {
  readonly program: string
  readonly args: readonly string[]
  /** Environment variables beside those that the machine gives, secrets included. */
  readonly env: Readonly<Record<string, string>>
  /** Every secret that is in it: to be hidden wherever it shows up. */
  readonly secrets: readonly string[]
}

/**
 * The command of one launch: as many arguments as the template has, with the engine's in their place.
 * @throws LaunchTemplateError that names file, field and placeholder (or secret) for a value that is missing or bad;
 *   GatewayError invalid_parameter for an engine argument that is not allowed
 */
export function launchCommand(template: LaunchTemplate, launch: LaunchValues): LaunchCommand {
  const { file } = template
  if (!template.command.includes(null) && launch.engineArgs.length > 0) {
    throw new LaunchTemplateError(`${file}: command: it has no '{{engine_args}}', and the launch has some`)
  }
  checkEngineArgs(launch.engineArgs, template.engine_args)
  const fill = (text: TemplateText, field: string) => fillText(text, launch.values, `${file}: ${field}`)
  const [program = '', ...args] = template.command.flatMap((text, at) =>
    text === null ? launch.engineArgs : [fill(text, `command[${at}]`)],
  )
  const env = new Map([...template.env].map(([name, text]) => [name, fill(text, `env.${name}`)]))
  const secrets = secretsOf(template, launch)
  for (const [name, value] of secrets) env.set(name, value)
  return {
    program,
    args,
    env: Object.fromEntries(env),
    secrets: [...new Set([...secrets.values(), launch.values.api_key ?? ''])].filter((text) => text !== ''),
  }
}

/** Values of secrets by environment variable. */
function secretsOf({ file, secrets }: LaunchTemplate, launch: LaunchValues): Map<string, string> {
  const found = new Map<string, string>()
  for (const [at, { name, env, required }] of secrets.entries()) {
    const where = `${file}: secrets[${at}]: the secret '${name}'`
    const value = name === 'api_key' ? launch.values.api_key : ownValue(launch.secrets, name)
    if (value === undefined || value === '') {
      if (required) throw new LaunchTemplateError(`${where} is missing`)
      continue
    }
    if (!isPrintable(value)) throw new LaunchTemplateError(`${where} holds control characters`)
    found.set(env, value)
  }
  return found
}

function ownValue(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** A text in which none of the secrets can be read. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  // The longer first: one may be part of another.
  return [...secrets]
    .sort((one, other) => other.length - one.length)
    .reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
}
