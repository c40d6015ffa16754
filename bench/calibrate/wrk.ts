import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseDuration } from '../load/duration.js'
import { findProgram, install, installCommand } from '../debian-packages.js'

const run = promisify(execFile)
const PROGRAM = { programs: ['wrk'], debianPackage: 'wrk' }

/** What a load tool found. */
export interface Finding {
  readonly requestsPerSecond: number
  readonly medianMicros: number
}

export interface WrkLoad {
  readonly url: string
  readonly body: string
  readonly connections: number
  readonly seconds: number
  /** Ends it early. */
  readonly signal: AbortSignal
}

/**
 * Path of wrk; where it is missing, it is installed first.
 * @throws when it can neither be found nor installed
 */
export async function locateWrk(): Promise<string> {
  const found = await findProgram(PROGRAM)
  if (found !== null) return found
  const problem = await install(PROGRAM)
  const installed = await findProgram(PROGRAM)
  if (installed !== null) return installed
  throw new Error(`wrk is missing (${problem ?? 'not in the package'}); try: ${installCommand(PROGRAM)}`)
}

/** POSTs the body in a closed loop from one thread. @throws the signal's reason, or when a request failed */
export async function runWrk(
  program: string,
  { url, body, connections, seconds, signal }: WrkLoad,
): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'crosslogic-wrk-'))
  try {
    const script = join(folder, 'post.lua')
    await writeFile(script, luaScript(body))
    const options = [
      '-t1',
      `-c${connections}`,
      `-d${seconds}s`,
      '--timeout',
      '10s',
      '--latency',
      '-s',
      script,
    ]
    const { stdout } = await run(program, [...options, url], { signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      throw error
    })
    return parseWrk(stdout)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** JSON is a Lua string as it stands, but for escapes that Lua does not know; long brackets have none. */
function luaScript(body: string): string {
  return (
    'wrk.method = "POST"\n' +
    'wrk.headers["Content-Type"] = "application/json"\n' +
    `wrk.body = [==[${body}]==]\n`
  )
}

/** Reads what wrk prints with `--latency`. @throws when a request failed, or it is another text */
export function parseWrk(text: string): Finding {
  const failed = /Socket errors: .*|Non-2xx or 3xx responses: \d+/.exec(text)
  if (failed !== null) throw new Error(`wrk: ${failed[0]}`)
  const rate = /^Requests\/sec:\s+(\d+(?:\.\d+)?)$/m.exec(text)?.[1]
  const medianMs = parseDuration(/^\s+50%\s+(\S+)$/m.exec(text)?.[1] ?? '')
  if (rate === undefined || medianMs === null) throw new Error('wrk printed something that is not its result')
  return { requestsPerSecond: Number(rate), medianMicros: medianMs * 1000 }
}
