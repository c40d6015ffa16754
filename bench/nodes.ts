/**
 * Simulated GPU nodes, as a library and as a command (`node dist/bench/nodes.js --help`). A node is an
 * OpenAI-compatible server on raw sockets that behaves like vLLM: pace, queue, usage, metrics, abort on
 * disconnect; with faults down to the bytes of HTTP, answers that are a pure function of the prompt, and a ledger
 * of the tokens that it wrote for each request.
 */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runCommand } from './command.js'
import { nodesCommand } from './nodes/command.js'

export { startSimulatedNode, type NodeStats, type SimulatedNode } from './nodes/simulated-node.js'
export type { Flavour, SimulatedNodeInput, SimulatedNodeOptions } from './nodes/options.js'
export {
  NODE_FAULTS,
  REQUEST_FAULTS,
  type FaultKind,
  type FaultRule,
  type NodeFaultKind,
  type RequestFault,
  type RequestFaultKind,
} from './nodes/faults.js'
export type { LedgerEntry } from './nodes/ledger.js'

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url))
  process.exitCode = await runCommand('nodes', nodesCommand, process.argv.slice(2))
