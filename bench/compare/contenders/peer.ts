import { constants } from 'node:fs'
import { access, realpath } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { packageRoot } from '../../../src/io/package-root.js'
import { contenderOf, type Backends, type Contender, type RunningContender } from './contender.js'
import { HOST, startServerProcess, type ServerCommand } from './server-process.js'

/** A proxy that the bench does not install: started where it is found, with the least that makes it forward. */
export interface Peer {
  readonly name: string
  /** How its users get it. */
  readonly getIt: string
  /** Absolute path of its program; null when it is not there. */
  find(): Promise<string | null>
  /** Writes its configuration into a folder of its own and answers how it is started. */
  prepare(program: string, directory: string, port: number, backends: Backends): Promise<ServerCommand>
  /** What requests need, and how it treats streams. */
  readonly contender: (
    backends: Backends,
  ) => Pick<Contender, 'description'> &
    Partial<Pick<Contender, 'headers' | 'model' | 'frames' | 'warmUpSeconds'>>
}

/** Interpreters read a lot before they serve. */
const START_MS = 60_000
const ANSWER_MS = 2_000

/** Starts a peer and waits until it answers a request. @throws when it is absent, or does not come to that */
export async function startPeer(peer: Peer, backends: Backends): Promise<RunningContender> {
  const program = await peer.find()
  if (program === null) throw new Error(`not found; to get it: ${peer.getIt}`)
  const details = { model: backends.model, headers: {}, ...peer.contender(backends) }
  const server = await startServerProcess({
    name: peer.name,
    startMs: START_MS,
    prepare: (directory, port) => peer.prepare(program, directory, port, backends),
    isReady: (port) => answersChat(port, details.headers, details.model),
  })
  const contender = contenderOf({
    ...details,
    name: peer.name,
    host: HOST,
    port: server.port,
    pid: server.pid,
  })
  return { ...contender, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

async function answersChat(
  port: number,
  headers: Readonly<Record<string, string>>,
  model: string,
): Promise<boolean> {
  const messages = [{ role: 'user', content: 'Are you there?' }]
  try {
    const response = await fetch(`http://${HOST}:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model, messages, max_tokens: 1 }),
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

/**
 * A program among those of this package or on the PATH.
 * @param within only what lies, links followed, under a folder so named
 */
export async function findOnPath(program: string, within = ''): Promise<string | null> {
  const folders = [join(packageRoot, 'node_modules', '.bin'), ...(process.env['PATH'] ?? '').split(delimiter)]
  for (const folder of folders) {
    const path = join(folder, program)
    try {
      await access(path, constants.X_OK)
      if ((await realpath(path)).includes(within)) return path
    } catch {
      // It is not in this folder.
    }
  }
  return null
}
