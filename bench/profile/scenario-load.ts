import { startLoadGenerator } from '../compare/load/generator.js'
import type { LoadResult } from '../compare/load/messages.js'
import { MODEL } from '../compare/scenarios/chat.js'
import type { Scenario } from '../compare/scenarios/scenario.js'
import { smallRequests } from '../compare/scenarios/small-requests.js'
import { streams } from '../compare/scenarios/streams.js'
import { bearer, setUpModel, type Gateway } from '../gateway.js'
import type { NodeFleet } from '../node-fleet.js'
import type { Units } from './report.js'

/** Those of `bench compare`. */
export const SCENARIOS: readonly Scenario[] = [
  smallRequests,
  streams({ count: 1000, tokensPerSecond: 25, goal: null }),
  streams({ count: 200, tokensPerSecond: 100, goal: null }),
]

/** As `bench compare` starts them: nodes that are never the limit. */
export const NODE_ARGUMENTS = ['--count', '2', '--max-running', '100000', '--keep-alive-ms', '300000']

/** A load through the gateway that can be switched on. */
export interface ScenarioLoad extends AsyncDisposable {
  /** Sends the scenario's load for so long. @throws when a request or stream was not as it should be */
  run(seconds: number): Promise<Units & { readonly elapsedMs: number }>
}

/** Sets the gateway up with the nodes' model and opens the scenario's connections. */
export async function openScenarioLoad(
  scenario: Scenario,
  gateway: Gateway,
  fleet: NodeFleet,
): Promise<ScenarioLoad> {
  const apiKey = await setUpModel(gateway, MODEL, fleet.urls)
  const generator = await startLoadGenerator()
  await generator.open(gateway.host, gateway.tenantPort, scenario.connections)
  return {
    async run(seconds) {
      const result = await generator.run(scenario.order(bearer(apiKey), seconds))
      checkResult(result)
      const count = scenario.unit === 'token' ? result.tokens : result.completed
      return { name: scenario.unit, count, elapsedMs: result.elapsedMs }
    },
    [Symbol.asyncDispose]: () => generator[Symbol.asyncDispose](),
  }
}

function checkResult({ failed, completed, reasons }: LoadResult): void {
  if (failed === 0) return
  throw new Error(`${failed} of ${failed + completed} failed: ${reasons.join('; ')}`)
}
