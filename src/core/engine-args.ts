import { GatewayError } from './errors.js'

/** What decides over an engine's arguments, see launch templates. */
export interface EngineArgsRule {
  /** Flags that are refused beside those that the gateway sets itself, with their dashes: `--trust-remote-code`. */
  readonly refuse: readonly string[]
  /** What a value may be, whole. */
  readonly values: RegExp
}

/** Where the engine listens, what it demands and what it serves are the gateway's to say; so is a file that says it. */
const OWN_FLAGS = [
  '--host',
  '--port',
  '--api-key',
  '--api-key-file',
  '--config',
  '--model',
  '--model-path',
  '--served-model-name',
]

const FLAG = /^--[A-Za-z0-9][A-Za-z0-9._-]*$/

/**
 * Refuses arguments that are anything but `--flag`, `--flag=value` and values that follow a flag, and flags that are
 * not the caller's. Engines take underscores for hyphens, and an abbreviation for the flag that it begins (Python's
 * argparse): so does this.
 * @param args as an API body gives them
 * @throws GatewayError invalid_parameter, naming the argument: `engine_args[2]`
 */
export function checkEngineArgs(args: readonly string[], rule: EngineArgsRule): void {
  let mayBeValue = false
  for (const [at, argument] of args.entries()) {
    const refused = (message: string) =>
      new GatewayError('invalid_parameter', {
        param: `engine_args[${at}]`,
        message: `Invalid 'engine_args[${at}]': ${message}.`,
      })
    const equals = argument.indexOf('=')
    const flag = argument.startsWith('--') ? argument.slice(0, equals === -1 ? undefined : equals) : null
    if (flag === null) {
      if (!mayBeValue) throw refused('expected a flag, like --max-model-len, before any value')
      if (!isValue(argument, rule)) throw refused('this value is not allowed by the launch template')
      continue
    }
    if (!FLAG.test(flag)) throw refused('expected --flag or --flag=value')
    const reserved = [...OWN_FLAGS, ...rule.refuse].find((known) => means(flag, known))
    if (reserved !== undefined) throw refused(`${reserved} is not yours to set`)
    if (equals !== -1 && !isValue(argument.slice(equals + 1), rule)) {
      throw refused('this value is not allowed by the launch template')
    }
    mayBeValue = equals === -1
  }
}

/** A dash begins a number or a flag of one letter, and the latter is refused. */
function isValue(text: string, { values }: EngineArgsRule): boolean {
  return values.test(text) && (!text.startsWith('-') || /^-\d/.test(text))
}

/** Whether an engine may read the flag as the known one: the same, an abbreviation, or a field of it. */
function means(flag: string, known: string): boolean {
  const [read, name] = [flag, known].map((text) => text.replaceAll('_', '-').toLowerCase())
  if (read === undefined || name === undefined) return true
  return name.startsWith(read) || read.startsWith(`${name}.`)
}
