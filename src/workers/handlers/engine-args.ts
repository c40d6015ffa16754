import { checkEngineArgs } from '../../core/engine-args.js'
import { GatewayError } from '../../core/errors.js'
import type { LaunchTemplate } from '../../core/launch-template.js'
import type { Launching } from '../launchers/launching.js'

/** What is to run on a machine, as the API takes it. */
export interface EngineWanted {
  readonly engine: string
  readonly engine_args: readonly string[]
}

/**
 * The launch template of an engine, which its arguments have been held against.
 * @throws GatewayError not_found when there is none, invalid_parameter that names the argument which it does not allow
 */
export function requireEngine(
  { templates }: Launching,
  { engine, engine_args: engineArgs }: EngineWanted,
): LaunchTemplate {
  const template = templates.get(engine)
  if (template === undefined) {
    const known = [...templates.keys()].sort().join(', ')
    const message = `There is no launch template for the engine '${engine}'; there is one for: ${known}.`
    throw new GatewayError('not_found', { param: 'engine', message })
  }
  if (engineArgs.length > 0 && !template.command.includes(null)) {
    const message = `Invalid 'engine_args': the launch template of '${engine}' takes none.`
    throw new GatewayError('invalid_parameter', { param: 'engine_args', message })
  }
  checkEngineArgs(engineArgs, template.engine_args)
  return template
}
