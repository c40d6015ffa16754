import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contenderOf, type Backends, type RunningContender } from './contender.js'
import { locateDebianProgram } from './debian-program.js'
import { HOST, printed, startServerProcess } from './server-process.js'

const PROGRAM = { programs: ['haproxy'], debianPackage: 'haproxy' }
const START_MS = 5_000

/**
 * The configuration: HTTP mode, one thread, connections to nodes shared and kept, nothing logged, and timeouts that
 * no run reaches.
 * @param upstreams `host:port` of each node
 */
export function haproxyConfig(port: number, upstreams: readonly string[]): string {
  return `global
  nbthread 1
  maxconn 4096
  tune.bufsize 16384
  tune.idle-pool.shared on
defaults
  mode http
  no log
  option http-keep-alive
  no option http-server-close
  http-reuse always
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend tenants
  bind ${HOST}:${port} backlog 4096
  default_backend nodes
backend nodes
  balance roundrobin
${upstreams.map((upstream, at) => `  server node${at + 1} ${upstream} pool-max-conn -1 pool-purge-delay 300s\n`).join('')}`
}

/**
 * Starts HAProxy before nodes; where it is missing, it is installed first.
 * @throws when it can neither be found nor installed, or does not start
 */
export async function startHaproxy({ model, nodeUrls }: Backends): Promise<RunningContender> {
  const program = await locateDebianProgram(PROGRAM)
  const server = await startServerProcess({
    name: 'haproxy',
    startMs: START_MS,
    async prepare(directory, port) {
      const path = join(directory, 'haproxy.cfg')
      const upstreams = nodeUrls.map((url) => new URL(url).host)
      await writeFile(path, haproxyConfig(port, upstreams))
      return { program, args: ['-db', '-f', path] }
    },
  })
  const version = /version (\d+(?:\.\d+)*)/.exec(await printed(program, ['-v']))?.[1] ?? 'unknown'
  const contender = contenderOf({
    name: 'haproxy',
    description: `HAProxy ${version}: HTTP mode, 1 thread, http-reuse always, keep-alive both sides, no log`,
    host: HOST,
    port: server.port,
    pid: server.pid,
    model,
  })
  return { ...contender, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
