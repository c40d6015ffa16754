/**
 * What SkyPilot is asked for when a node is launched: which machine, where, and how its engine and its agent are started
 * there.
 */
import { launchCommand } from './launch-command.js'
import type { LaunchTemplate } from './launch-template.js'
import type { Machine } from './machine.js'
import { type References, shellCommand, type ShellCommand } from './skypilot-shell.js'
import { engineSetup } from './skypilot-setup.js'
import { parseSkyPilotTask, type SkyPilotTask, type SkyPilotTaskInput } from './skypilot-task.js'
import type { TemplateValues } from './template-text.js'

export interface SkyPilotNode {
  readonly id: string
  readonly clusterName: string
  readonly machine: Machine
  /** What its engine asks of its clients. */
  readonly apiKey: string
  /** The node's own, for its agent. */
  readonly token: string
  readonly template: LaunchTemplate
  /** Where agents reach the control plane. */
  readonly controlUrl: string
  /** With which its engine fetches the model; null: with none. */
  readonly hfToken: string | null
  /** The gateway's own folder, for templates that name it. */
  readonly packageRoot: string
}

/** Where an engine listens on its machine. */
export const ENGINE_PORT = 8000
/** The dead man's switch: a machine whose engine has ended is gone after so long, whoever is there to remove it. */
const IDLE_MINUTES = 10
/** Providers whose machines can be asked for their own address, by the node agent. */
const KNOW_THEIR_ADDRESS: readonly string[] = ['aws', 'gcp', 'azure']

/** Whether the agent on a machine of a cloud finds out its address by itself. */
export function knowsItsAddress(cloud: string): boolean {
  return KNOW_THEIR_ADDRESS.includes(cloud)
}

/**
 * The task of a node. Secrets are under `secrets` alone; where a command needs one, it names the variable.
 * @throws LaunchTemplateError, GatewayError or Error for what the template or SkyPilot would not take; none quotes a secret
 */
export function skyPilotNodeTask(node: SkyPilotNode): SkyPilotTask {
  const { machine, template, apiKey, hfToken } = node
  const values: TemplateValues = {
    model: machine.model,
    served_model_name: machine.servedModelName,
    host: '0.0.0.0',
    port: String(ENGINE_PORT),
    api_key: apiKey,
    gpu_count: String(Math.max(1, machine.gpuCount)),
    node: 'node',
    package_root: node.packageRoot,
  }
  const { engineArgs } = machine
  // Checks all of it, and refuses what may not be; what it returns has secrets in it.
  launchCommand(template, { values, engineArgs, secrets: hfToken === null ? {} : { hf_token: hfToken } })
  const usesHub = hfToken !== null && template.secrets.some(({ name }) => name === 'hf_token')
  const secretNames = new Map([
    ['api_key', 'ENGINE_API_KEY'],
    ...(usesHub ? [['hf_token', 'HF_TOKEN'] as const] : []),
  ])
  const command = shellCommand(template, values, referencesOf(machine), engineArgs, secretNames)
  return parseSkyPilotTask({
    name: node.clusterName,
    resources: resourcesOf(machine),
    envs: {
      CONTROL_URL: node.controlUrl,
      NODE_ID: node.id,
      PROVIDER: machine.provider === 'skypilot' ? 'auto' : machine.provider,
      NODE_ADDRESS: 'public',
      MODEL: machine.model,
      SERVED_MODEL: machine.servedModelName,
      ENGINE: machine.engine,
      ENGINE_HOST: '0.0.0.0',
      ENGINE_PORT: String(ENGINE_PORT),
      ENGINE_URL: `http://127.0.0.1:${ENGINE_PORT}`,
    },
    secrets: { NODE_TOKEN: node.token, ENGINE_API_KEY: apiKey, ...(usesHub && { HF_TOKEN: hfToken }) },
    setup: engineSetup(template),
    run: runScript(command),
  })
}

/** An instance type says how many GPUs it has only where it runs. */
function referencesOf({ instanceType, gpuCount }: Machine): References {
  const fixed = { api_key: 'ENGINE_API_KEY', host: 'ENGINE_HOST', port: 'ENGINE_PORT' }
  return instanceType !== null && gpuCount === 0
    ? { ...fixed, gpu_count: 'SKYPILOT_NUM_GPUS_PER_NODE' }
    : fixed
}

function resourcesOf(machine: Machine): SkyPilotTaskInput['resources'] {
  const { provider, regions, instanceType, gpuType, gpuCount, diskSizeGb } = machine
  const anyCloud = provider === 'skypilot'
  const places = regions.map((region) => ({ infra: `${anyCloud ? '*' : provider}/${region}` }))
  const [only] = places
  return {
    ...(places.length > 1
      ? { anyOf: places }
      : only !== undefined
        ? only
        : anyCloud
          ? {}
          : { infra: provider }),
    ...(instanceType !== null
      ? { instanceType }
      : gpuType !== null
        ? { accelerators: `${gpuType}:${Math.max(1, gpuCount)}` }
        : {}),
    useSpot: machine.market === 'spot',
    ...(diskSizeGb !== null && { diskSizeGb }),
    ports: [ENGINE_PORT],
    autodownMinutes: IDLE_MINUTES,
  }
}

/**
 * Starts the engine and, beside it, the agent; ends as the engine ends. The engine does not get the agent's token, nor the
 * agent the hub's. The agent is fetched for as long as it takes: a machine without one is never registered. An unset
 * variable ends it, for an engine without its key would serve everybody.
 */
function runScript({ words, assignments }: ShellCommand): string {
  return `set -u
PATH="$HOME/engine/bin:$PATH"
engine() {
  unset NODE_TOKEN
${assignments.map((assignment) => `  export ${assignment}\n`).join('')}  exec ${words.join(' ')}
}
agent() {
  unset HF_TOKEN
  until curl -fsS --max-time 60 "$CONTROL_URL/node-agent.py" -o "$HOME/node_agent.py"; do sleep 5; done
  exec python3 "$HOME/node_agent.py"
}
engine &
ENGINE_PID=$!
export ENGINE_PID
agent &
AGENT_PID=$!
trap 'kill -TERM "$ENGINE_PID" 2>/dev/null' TERM INT
while :; do
  wait "$ENGINE_PID"
  code=$?
  kill -0 "$ENGINE_PID" 2>/dev/null || break
done
kill "$AGENT_PID" 2>/dev/null
exit "$code"
`
}
