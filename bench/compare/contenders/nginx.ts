import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { locateDebianProgram } from './debian-program.js'
import { contenderOf, type Backends, type RunningContender } from './contender.js'
import { HOST, printed, startServerProcess } from './server-process.js'

const PROGRAM = { programs: ['nginx'], debianPackage: 'nginx-light' }
const START_MS = 5_000

/**
 * The configuration: one worker, nothing buffered or logged, keep-alive to clients and nodes, chunks passed on as
 * they come, bodies of requests held in memory.
 * @param upstreams `host:port` of each node
 */
export function nginxConfig(directory: string, port: number, upstreams: readonly string[]): string {
  const path = (name: string): string => join(directory, name)
  return `daemon off;
worker_processes 1;
pid ${path('nginx.pid')};
error_log stderr error;
events {
  worker_connections 32768;
}
http {
  access_log off;
  client_max_body_size 64m;
  client_body_buffer_size 32m;
  client_body_temp_path ${path('body')};
  proxy_temp_path ${path('proxy')};
  fastcgi_temp_path ${path('fastcgi')};
  uwsgi_temp_path ${path('uwsgi')};
  scgi_temp_path ${path('scgi')};
  tcp_nodelay on;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
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
      proxy_read_timeout 300s;
    }
  }
}
`
}

/**
 * Starts nginx before nodes; where it is missing, it is installed first.
 * @throws when it can neither be found nor installed, or does not start
 */
export async function startNginx({ model, nodeUrls }: Backends): Promise<RunningContender> {
  const program = await locateDebianProgram(PROGRAM)
  const server = await startServerProcess({
    name: 'nginx',
    startMs: START_MS,
    async prepare(directory, port) {
      const upstreams = nodeUrls.map((url) => new URL(url).host)
      await writeFile(join(directory, 'nginx.conf'), nginxConfig(directory, port, upstreams))
      return { program, args: ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'] }
    },
  })
  const version = /nginx\/(\S+)/.exec(await printed(program, ['-v']))?.[1] ?? 'unknown'
  const contender = contenderOf({
    name: 'nginx',
    description: `nginx ${version}: proxy_buffering off, 1 worker, keep-alive both sides, no log`,
    host: HOST,
    port: server.port,
    pid: server.pid,
    model,
  })
  return { ...contender, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
