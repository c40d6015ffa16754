import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { z } from 'zod'
import { packageRoot } from '../../src/io/package-root.js'
import type { LaunchedNode } from './launched-node.js'
import { eventually } from './processes.js'

export const NODE_AGENT = join(packageRoot, 'agent/node_agent.py')

const Line = z.looseObject({ event: z.string() })
export type AgentLine = z.infer<typeof Line>

const FOUND_BY = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' }

/** The node agent's own process. */
export interface NodeAgent extends AsyncDisposable {
  /** What it has logged. */
  readonly lines: readonly AgentLine[]
  /** All that it wrote, errors included. */
  readonly output: () => string
  /** Waits for a line; those before the call count as well. */
  line(event: string, fields?: Record<string, unknown>): Promise<AgentLine>
  /** Sends SIGTERM. */
  stop(): void
  /** Waits for its end. @returns its exit code */
  ended(): Promise<number | null>
}

/** Of this process's environment it gets what Python is found by, and nothing else. */
export function startNodeAgent(env: Record<string, string>): NodeAgent {
  const child: ChildProcess = spawn('python3', ['-u', NODE_AGENT], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...FOUND_BY, HEARTBEAT_SECONDS: '0.2', NOTICE_POLL_SECONDS: '0.2', ...env },
  })
  const closed = once(child, 'close')
  const lines: AgentLine[] = []
  let output = ''
  const follow = (stream: NodeJS.ReadableStream | null, keep: (line: string) => void) => {
    if (stream === null) return
    createInterface({ input: stream }).on('line', (line) => {
      output += `${line}\n`
      keep(line)
    })
  }
  follow(child.stdout, (line) => lines.push(Line.parse(JSON.parse(line))))
  follow(child.stderr, () => {})
  return {
    lines,
    output: () => output,
    async line(event, fields = {}) {
      const matches = (line: AgentLine) =>
        line.event === event && Object.entries(fields).every(([name, value]) => line[name] === value)
      await eventually(`${event} ${JSON.stringify(fields)} of the agent, which said:\n${output}`, () =>
        lines.some(matches),
      ).catch((error: unknown) => {
        throw new Error(`the agent said:\n${output}`, { cause: error })
      })
      return lines.find(matches) ?? { event }
    },
    stop() {
      child.kill('SIGTERM')
    },
    async ended() {
      await closed
      return child.exitCode
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill('SIGKILL')
      await closed
    },
  }
}

/** What a launch tells the agent of its node. */
export function agentOf(
  node: LaunchedNode,
  urls: { control: string; engine: string; metadata?: string },
): Record<string, string> {
  return {
    CONTROL_URL: urls.control,
    NODE_ID: node.id,
    NODE_TOKEN: (node.headers['authorization'] ?? '').replace('Bearer ', ''),
    ENGINE_URL: urls.engine,
    NODE_ADDRESS: urls.engine,
    ...(urls.metadata === undefined ? { PROVIDER: 'local' } : { METADATA_URL: urls.metadata }),
  }
}
