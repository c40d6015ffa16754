import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../../src/io/embedded/free-port.js'
import { packageRoot } from '../../../src/io/package-root.js'
import type { Instance, InstanceStart } from './cluster.js'
import { PythonError } from './python-error.js'

/** Providers whose machines are told their address; on the others nothing tells the agent. */
const TOLD_THEIR_ADDRESS = ['aws', 'gcp', 'azure']
const MOST_LINES = 1_000

/** A simulated node instead of whatever engine a task installs: its command is the task's own. */
const ENGINE = `exec node '${packageRoot}dist/bench/nodes.js' --host "$ENGINE_HOST" --port "$ENGINE_PORT" \\
  --model "$SERVED_MODEL" --api-key "$ENGINE_API_KEY"`
const PROGRAMS = {
  uv: 'exit 0',
  vllm: ENGINE,
  'llama-server': ENGINE,
  python3: `[ "\${2-}" != sglang.launch_server ] || ${ENGINE}\nPATH="$REAL_PATH" exec python3 "$@"`,
}

/**
 * A machine that does as its task says: the real `setup`, then the real `run` with the real agent, as processes of a group
 * of their own. Engines other than the simulated one are simulated nodes by their name. They end with the machine, and
 * with whoever started it, however that ends.
 */
export async function startTaskMachine({ task, place, metadataUrl }: InstanceStart): Promise<Instance> {
  const home = await mkdtemp(join(tmpdir(), 'crosslogic-machine-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
  const env: Record<string, string> = {
    ...task.envs,
    ...task.secrets,
    HOME: home,
    REAL_PATH: path,
    PATH: `${join(home, 'programs')}:${path}`,
    ENGINE_HOST: '127.0.0.1',
    ENGINE_PORT: String(port),
    ENGINE_URL: url,
    SKYPILOT_NUM_GPUS_PER_NODE: '1',
    HEARTBEAT_SECONDS: '0.2',
    NOTICE_POLL_SECONDS: '0.2',
    METADATA_URL: metadataUrl,
    ...(TOLD_THEIR_ADDRESS.includes(place.cloud) && { PROVIDER: 'aws', NODE_ADDRESS: url }),
  }
  await mkdir(join(home, 'programs'))
  for (const [name, script] of Object.entries(PROGRAMS)) {
    const file = join(home, 'programs', name)
    await writeFile(file, `#!/bin/sh\n${script}\n`)
    await chmod(file, 0o755)
  }
  try {
    await setUp(task.setup, home, env)
    return startRun({ run: task.run ?? 'true', home, env, url })
  } catch (error) {
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

async function setUp(setup: string | null, home: string, env: Record<string, string>): Promise<void> {
  if (setup === null) return
  const child = spawn('bash', ['-c', setup], { cwd: home, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const closed = once(child, 'close')
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await closed
  if (child.exitCode !== 0)
    throw new PythonError('CommandError', `Command setup failed with return code ${child.exitCode}. ${said}`)
}

interface Run {
  readonly run: string
  readonly home: string
  readonly env: Record<string, string>
  readonly url: string
}

/** What stands before a job: when the pipe to whoever started the machine closes, all of its processes are killed. */
const TIED = '( exec >/dev/null 2>&1; cat <&3; rm -rf "$HOME"; kill -9 0 ) & exec bash -c "$0" 3<&-'

async function startRun({ run, home, env, url }: Run): Promise<Instance> {
  const child = spawn('bash', ['-c', TIED, run], {
    cwd: home,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > MOST_LINES) lines.shift()
    })
  }
  // The tie breaks when the machine goes.
  child.stdio[3]?.on('error', () => {})

  async function kill(): Promise<void> {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // Nothing of it is left.
    }
    await ended
    await rm(home, { recursive: true, force: true })
  }

  return {
    url,
    lines,
    ended,
    kill,
    [Symbol.asyncDispose]: kill,
  }
}
