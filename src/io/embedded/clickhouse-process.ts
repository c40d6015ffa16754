/**
 * The process that owns the embedded ClickHouse: one engine and its HTTP interface on loopback. It takes orders
 * over IPC only, and ends when its parent tells it to or is gone.
 */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { ClickHouseEngine } from './clickhouse-engine.js'
import type { FromEngine } from './clickhouse-messages.js'
import { ENGINE_PID_FILE, ENGINE_PROCESS_TITLE, ToEngine } from './clickhouse-messages.js'

/** How long statements that are running may take to end when the process has to. */
const CLOSE_TIMEOUT_MS = 10_000

process.title = ENGINE_PROCESS_TITLE
// A Ctrl-C or a signal to the whole group is the parent's to handle.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
// The parent reads the output; when it is gone there is nobody to tell.
for (const output of [process.stdout, process.stderr]) output.on('error', () => {})

let serving: { engine: ClickHouseEngine; server: Server } | undefined
let ending = false

process.on('message', (message) => {
  const order = ToEngine.parse(message)
  if (order.type === 'stop') void end()
  else void start(order).then(tell, fail)
})
process.on('disconnect', () => void end())

async function start(order: Extract<ToEngine, { type: 'start' }>): Promise<FromEngine> {
  await writeFile(join(order.folder, ENGINE_PID_FILE), `${process.pid}\n`)
  // Loaded here, so that a missing or broken package is an answer and not a crash.
  const [{ openClickHouseEngine }, { createClickHouseServer }] = await Promise.all([
    import('./clickhouse-engine.js'),
    import('./clickhouse-http.js'),
  ])
  const engine = openClickHouseEngine({
    data: join(order.folder, 'data'),
    // This process runs in the folder.
    inserts: 'inserts',
  })
  const server = createClickHouseServer(engine, { user: order.user, password: order.password })
  serving = { engine, server }
  server.listen(order.port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { type: 'ready', port: address.port }
}

function tell(message: FromEngine): void {
  // The parent may be gone; then 'disconnect' ends this process.
  process.send?.(message, () => {})
}

function fail(error: unknown): void {
  tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
}

async function end(): Promise<void> {
  if (ending) return
  ending = true
  // The engine survives this as it survives a crash; what was acknowledged is on disk.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), CLOSE_TIMEOUT_MS).unref()
  if (serving) {
    const { engine, server } = serving
    const closed = once(server, 'close')
    server.close()
    server.closeIdleConnections()
    const idle = setInterval(() => {
      server.closeIdleConnections()
    }, 50)
    await closed.finally(() => {
      clearInterval(idle)
    })
    await engine.close()
  }
  process.exit(0)
}
