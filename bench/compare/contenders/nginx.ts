import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { reservePort } from '../../../src/io/reserve-port.js'
import { findProgram, install, installCommand } from '../../debian-packages.js'

const PROGRAM = { programs: ['nginx'], debianPackage: 'nginx-light' }
const HOST = '127.0.0.1'
const START_MS = 5_000

/** nginx as a reverse proxy that forwards and does nothing else. */
export interface Nginx extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** The master; its worker descends from it. */
  readonly pid: number
  /** As `nginx -v` says it. */
  readonly version: string
}

/**
 * The configuration: one worker, nothing buffered or logged, keep-alive to clients and nodes, chunks passed on as
 * they come.
 * @param upstreams `host:port` of each node
 */
export function nginxConfig(directory: string, port: number, upstreams: readonly string[]): string {
  const path = (name: string): string => join(directory, name)
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid ${path('nginx.pid')};
error_log stderr error;
events {
  worker_connections 16384;
}
http {
  access_log off;
  client_body_temp_path ${path('body')};
  proxy_temp_path ${path('proxy')};
  fastcgi_temp_path ${path('fastcgi')};
  uwsgi_temp_path ${path('uwsgi')};
  scgi_temp_path ${path('scgi')};
  tcp_nodelay on;
  keepalive_requests 100000000;
  upstream nodes {
${upstreams.map((upstream) => `    server ${upstream};\n`).join('')}    keepalive 8192;
    keepalive_requests 100000000;
  }
  server {
    listen ${HOST}:${port} backlog=4096;
    location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 120s;
    }
  }
}
`
}

/**
 * Starts nginx before nodes (`http://host:port` each) and waits until it listens; where it is missing, it is
 * installed first.
 * @throws when it can neither be found nor installed, or does not start
 */
export async function startNginx(nodeUrls: readonly string[]): Promise<Nginx> {
  const program = await locateNginx()
  const directory = await mkdtemp(join(tmpdir(), 'crosslogic-nginx-'))
  // The worker of a master that root started is another user.
  await chmod(directory, 0o755)
  const reservation = await reservePort('nginx', HOST, 0)
  const { port } = reservation
  await writeFile(
    join(directory, 'nginx.conf'),
    nginxConfig(
      directory,
      port,
      nodeUrls.map((url) => new URL(url).host),
    ),
  )
  await reservation.release()
  const child = spawn(program, ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let messages = ''
  child.stderr.on('data', (bytes: Buffer) => {
    messages += bytes.toString()
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exited
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await once(child, 'spawn')
    await untilItListens(port, () => child.exitCode === null)
  } catch (error) {
    await stop()
    throw new Error(`nginx did not start: ${messages}`, { cause: error })
  }
  return {
    host: HOST,
    port,
    pid: child.pid ?? 0,
    version: await versionOf(program),
    [Symbol.asyncDispose]: stop,
  }
}

async function locateNginx(): Promise<string> {
  const found = await findProgram(PROGRAM)
  if (found !== null) return found
  const problem = await install(PROGRAM)
  const installed = await findProgram(PROGRAM)
  if (installed !== null) return installed
  throw new Error(`nginx is missing (${problem ?? 'not in the package'}); try: ${installCommand(PROGRAM)}`)
}

async function versionOf(program: string): Promise<string> {
  const child = spawn(program, ['-v'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', (bytes: Buffer) => {
    text += bytes.toString()
  })
  await once(child, 'close')
  return /nginx\/(\S+)/.exec(text)?.[1] ?? 'unknown'
}

async function untilItListens(port: number, lives: () => boolean): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    if (await answers(port)) return
    if (!lives() || performance.now() > deadline) throw new Error('it does not listen')
    await sleep(20)
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    const end = (answer: boolean) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', end(true))
    socket.once('error', end(false))
  })
}
