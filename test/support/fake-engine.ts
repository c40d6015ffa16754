/**
 * A program that stands for an inference engine, good or bad: `fake-engine.js <behaviour> <port>`. It prints its process
 * id, and `key <api key>` as engines print their settings.
 */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

const [behaviour = 'serves', port = '0'] = process.argv.slice(2)
const own = fileURLToPath(import.meta.url)

function serve(status: number): void {
  createServer((_request, response) => {
    response.writeHead(status).end()
  }).listen(Number(port), '127.0.0.1')
}

function stayAlive(): void {
  setInterval(() => {}, 1_000)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

print(`pid ${process.pid}`)
print(`key ${process.env['ENGINE_KEY'] ?? 'none'}`)
print(`database ${process.env['DATABASE_URL'] ?? 'none'}`)

switch (behaviour) {
  case 'serves':
    serve(200)
    break
  case 'ignores-sigterm':
    process.on('SIGTERM', () => {
      print('ignored SIGTERM')
    })
    serve(200)
    break
  case 'exits':
    process.stderr.write(`cannot load the model with ${process.env['ENGINE_KEY'] ?? 'none'}\n`, () => {
      process.exit(3)
    })
    break
  case 'prints-much':
    for (let line = 0; line < 50; line++)
      print(`line ${line} ${process.env['ENGINE_KEY'] ?? 'none'} ${'x'.repeat(900)}`)
    process.stderr.write('CUDA out of memory\n', () => {
      process.exit(1)
    })
    break
  case 'never-ready':
    serve(503)
    break
  case 'never-listens':
    stayAlive()
    break
  case 'forks':
  case 'forks-and-loads': {
    // One of its own session, and one that took leave of everything: session, environment, working directory.
    spawn(process.execPath, [own, 'worker'], { stdio: 'inherit' })
    spawn(process.execPath, [own, 'worker'], { stdio: 'inherit', detached: true, env: {}, cwd: '/' })
    serve(behaviour === 'forks' ? 200 : 503)
    break
  }
  case 'worker':
    process.on('SIGTERM', () => {})
    stayAlive()
    break
  default:
    throw new Error(`unknown behaviour: ${behaviour}`)
}
