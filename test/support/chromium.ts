import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import { z } from 'zod'
import { findProgram } from '../../bench/debian-packages.js'
import { temporaryFolder } from './temporary-folder.js'

/**
 * A real browser, headless, spoken to by the Chrome DevTools Protocol over a pipe: messages of JSON, each ended by a
 * NUL.
 */
export interface Browser extends AsyncDisposable {
  /** Opens a page. It can reach 127.0.0.1 and nothing else. */
  open(url: string): Promise<Page>
}

export interface Page {
  /** Every address that it has asked for, in order. */
  readonly requested: readonly string[]
  /** Errors of scripts, of loading, and of its security policy. */
  readonly errors: readonly string[]
  /** The value of an expression in the page. */
  evaluate(expression: string): Promise<unknown>
  /** Waits until an expression is true in the page. @throws when it is not within 20 s */
  until(expression: string): Promise<void>
  /** Writes a PNG of the whole page, not only of what its window shows. */
  screenshot(path: string): Promise<void>
}

const LIMIT_MS = 20_000

const Message = z.looseObject({
  id: z.number().optional(),
  sessionId: z.string().optional(),
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
})
type Message = z.infer<typeof Message>

/** Starts Chromium with a profile of its own and windows of `width` pixels. @throws when it is not installed */
export async function startChromium({ width = 1280 } = {}): Promise<Browser> {
  const path = await findProgram({
    programs: ['chromium', 'chromium-headless-shell'],
    debianPackage: 'chromium',
  })
  if (path === null) throw new Error('this test needs Chromium; install it with: apt-get install chromium')
  const profile = await temporaryFolder()
  const child = spawn(
    path,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      `--window-size=${width},900`,
      '--disable-background-networking',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--user-data-dir=${profile.path}`,
      '--remote-debugging-pipe',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  )
  const exited = once(child, 'exit')
  const [, , , input, output] = child.stdio as [null, null, null, Writable, Readable]
  const connection = connect(input, output)
  return {
    open: (url) => openPage(connection, url),
    async [Symbol.asyncDispose]() {
      await connection.send('Browser.close').catch(() => {})
      await Promise.race([exited, sleep(LIMIT_MS, undefined, { ref: false })])
      child.kill('SIGKILL')
      await exited
      await profile[Symbol.asyncDispose]()
    },
  }
}

interface Connection {
  /** @throws what the browser says when it cannot */
  send(method: string, params?: object, sessionId?: string): Promise<Readonly<Record<string, unknown>>>
  onEvent(listener: (event: Message) => void): void
}

function connect(input: Writable, output: Readable): Connection {
  const waiting = new Map<number, (message: Message) => void>()
  const listeners: ((event: Message) => void)[] = []
  let sent = 0
  let rest = ''
  output.setEncoding('utf8')
  output.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\0')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const message = Message.parse(JSON.parse(part))
      if (message.id === undefined) for (const listener of listeners) listener(message)
      else waiting.get(message.id)?.(message)
    }
  })
  return {
    onEvent: (listener) => listeners.push(listener),
    send(method, params = {}, sessionId) {
      const id = ++sent
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ result, error }) => {
          waiting.delete(id)
          if (error === undefined) resolve(result ?? {})
          else reject(new Error(`${method}: ${error.message}`))
        })
      })
    },
  }
}

const Requested = z.looseObject({ request: z.looseObject({ url: z.string() }) })
const Evaluated = z.looseObject({
  result: z.looseObject({ value: z.unknown().optional() }),
  exceptionDetails: z.unknown().optional(),
})

const Metrics = z.looseObject({ cssContentSize: z.object({ width: z.number(), height: z.number() }).loose() })

async function openPage(connection: Connection, url: string): Promise<Page> {
  const requested: string[] = []
  const errors: string[] = []
  const { targetId } = await connection.send('Target.createTarget', { url: 'about:blank' })
  const attached = await connection.send('Target.attachToTarget', { targetId, flatten: true })
  const { sessionId } = z.looseObject({ sessionId: z.string() }).parse(attached)
  connection.onEvent(({ sessionId: from, method, params }) => {
    if (from !== sessionId) return
    if (method === 'Network.requestWillBeSent') requested.push(Requested.parse(params).request.url)
    if (method === 'Runtime.exceptionThrown') errors.push(JSON.stringify(params))
    if (method === 'Log.entryAdded' && /"level":"error"/.test(JSON.stringify(params))) {
      errors.push(JSON.stringify(params))
    }
  })
  const send = (method: string, params: object = {}) => connection.send(method, params, sessionId)
  for (const domain of ['Network', 'Runtime', 'Log', 'Page']) await send(`${domain}.enable`)
  await send('Page.navigate', { url })

  async function evaluate(expression: string): Promise<unknown> {
    const reply = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    const { result, exceptionDetails } = Evaluated.parse(reply)
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)
    return result.value
  }
  return {
    requested,
    errors,
    evaluate,
    async until(expression) {
      const deadline = performance.now() + LIMIT_MS
      while ((await evaluate(`Boolean(${expression})`)) !== true) {
        if (performance.now() > deadline) throw new Error(`never true in the page: ${expression}`)
        await sleep(50)
      }
    },
    async screenshot(path) {
      const { cssContentSize } = Metrics.parse(await send('Page.getLayoutMetrics'))
      const clip = { x: 0, y: 0, ...cssContentSize, scale: 1 }
      const options = { format: 'png', captureBeyondViewport: true, clip }
      const { data } = z
        .looseObject({ data: z.string() })
        .parse(await send('Page.captureScreenshot', options))
      await writeFile(path, Buffer.from(data, 'base64'))
    },
  }
}
