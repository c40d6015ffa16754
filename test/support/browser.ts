import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'undici'
import { z } from 'zod'
import { findProgram } from '../../bench/debian-packages.js'
import { temporaryFolder } from './temporary-folder.js'

export const CHROMIUM = { programs: ['chromium', 'chromium-browser'], debianPackage: 'chromium' }

const START_MS = 30_000
const LOAD_MS = 30_000

/** A tab of a real Chromium, over its DevTools protocol. */
export interface Browser extends AsyncDisposable {
  /** Opens a URL and waits until it and what it needs have loaded. */
  open(url: string): Promise<void>
  /** Evaluates an expression in the page, a promise's value included. @throws with what the page threw */
  evaluate<S extends z.ZodType>(expression: string, schema: S): Promise<z.output<S>>
  /** Writes a PNG of the whole page, not only of what a window of this size shows. */
  screenshot(path: string): Promise<void>
  /** URLs that were asked for since the start. */
  readonly requests: readonly string[]
  /** What went wrong in the page: uncaught errors and error lines of its console. */
  readonly errors: readonly string[]
}

const Message = z.object({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const Requested = z.object({ request: z.object({ url: z.string() }) })
const Thrown = z.object({ exceptionDetails: z.object({ text: z.string() }).loose() })
const Logged = z.object({ entry: z.object({ level: z.string(), text: z.string() }) })
const Evaluated = z.object({
  result: z.object({ value: z.unknown() }),
  exceptionDetails: z.object({ text: z.string() }).loose().optional(),
})
const Size = z.object({ cssContentSize: z.object({ width: z.number(), height: z.number() }) })

/** Starts a headless Chromium with one tab of `width` × 900 CSS pixels, on an empty profile. */
export async function startBrowser({ width = 1280 } = {}): Promise<Browser> {
  const program = await findProgram(CHROMIUM)
  if (program === null) throw new Error('Chromium is not installed')
  const folder = await temporaryFolder()
  const options = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${folder.path}`]
  // Tests run as root in containers, where Chromium's own sandbox cannot start.
  options.push('--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run')
  options.push('--disable-background-networking', `--window-size=${width},900`)
  const child = spawn(program, [...options, 'about:blank'], { stdio: 'ignore' })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    await folder[Symbol.asyncDispose]()
  }
  try {
    const socket = await connect(await tabAddress(join(folder.path, 'DevToolsActivePort')))
    return await createTab(socket, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

/** Chromium writes its port into a file when it listens. */
async function tabAddress(file: string): Promise<string> {
  const deadline = performance.now() + START_MS
  for (;;) {
    const [port] = (await readFile(file, 'utf8').catch(() => '')).split('\n')
    if (port !== undefined && port !== '') {
      const reply = await fetch(`http://127.0.0.1:${port}/json/list`)
      const tabs = z
        .array(z.object({ type: z.string(), webSocketDebuggerUrl: z.string() }))
        .parse(await reply.json())
      const tab = tabs.find(({ type }) => type === 'page')
      if (tab !== undefined) return tab.webSocketDebuggerUrl
    }
    if (performance.now() > deadline) throw new Error(`Chromium did not start within ${START_MS} ms`)
    await sleep(50)
  }
}

function connect(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.onopen = () => {
      resolve(socket)
    }
    socket.onerror = () => {
      reject(new Error('the DevTools of Chromium do not answer'))
    }
  })
}

async function createTab(socket: WebSocket, stop: () => Promise<void>): Promise<Browser> {
  const requests: string[] = []
  const errors: string[] = []
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let sent = 0
  let onLoad: (() => void) | null = null

  socket.onmessage = ({ data }) => {
    const { id, method, params, result, error } = Message.parse(JSON.parse(String(data)))
    if (id !== undefined) {
      const call = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error.message))
    } else if (method === 'Network.requestWillBeSent') requests.push(Requested.parse(params).request.url)
    else if (method === 'Runtime.exceptionThrown') {
      errors.push(JSON.stringify(Thrown.parse(params).exceptionDetails))
    } else if (method === 'Log.entryAdded') {
      const { entry } = Logged.parse(params)
      if (entry.level === 'error') errors.push(entry.text)
    } else if (method === 'Page.loadEventFired') onLoad?.()
  }
  const send = (method: string, params: object = {}) =>
    new Promise<unknown>((resolve, reject) => {
      sent += 1
      waiting.set(sent, { resolve, reject })
      socket.send(JSON.stringify({ id: sent, method, params }))
    })
  for (const domain of ['Page', 'Network', 'Runtime', 'Log']) await send(`${domain}.enable`)

  return {
    requests,
    errors,
    async open(url) {
      const loaded = new Promise<void>((resolve) => (onLoad = resolve))
      await send('Page.navigate', { url })
      const late = sleep(LOAD_MS, true, { ref: false })
      if ((await Promise.race([loaded, late])) === true)
        throw new Error(`${url} did not load in ${LOAD_MS} ms`)
    },
    async evaluate(expression, schema) {
      const params = { expression, awaitPromise: true, returnByValue: true }
      const { result, exceptionDetails } = Evaluated.parse(await send('Runtime.evaluate', params))
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
      return schema.parse(result.value)
    },
    async screenshot(path) {
      const { cssContentSize } = Size.parse(await send('Page.getLayoutMetrics'))
      const clip = { x: 0, y: 0, ...cssContentSize, scale: 1 }
      const params = { format: 'png', captureBeyondViewport: true, clip }
      const { data } = z.object({ data: z.base64() }).parse(await send('Page.captureScreenshot', params))
      await writeFile(path, Buffer.from(data, 'base64'))
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      await stop()
    },
  }
}
