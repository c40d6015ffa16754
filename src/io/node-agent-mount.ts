import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_AGENT_PATH } from '../core/contract/public.js'
import { packageRoot } from './package-root.js'
import type { HttpApp } from './uws.js'

/** The node agent as this version of the control plane serves it. */
export interface NodeAgentScript {
  readonly bytes: Buffer
  /** In hexadecimal, for a launch that checks what it downloaded. */
  readonly sha256: string
}

/** Reads the script that is shipped with the package. */
export function readNodeAgent(): NodeAgentScript {
  const bytes = readFileSync(join(packageRoot, 'agent/node_agent.py'))
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** Mounts the node agent's script: a machine that is launched loads it from here. It holds no secret. */
export function mountNodeAgent(app: HttpApp): void {
  const { bytes, sha256 } = readNodeAgent()
  const headers = {
    'content-type': 'text/x-python; charset=utf-8',
    'cache-control': 'no-cache',
    etag: `"${sha256}"`,
    'x-content-type-options': 'nosniff',
  }
  app.route('GET', NODE_AGENT_PATH, (call) => {
    call.reply(200, headers, bytes)
  })
}
