import { get } from 'node:http'

export interface Probed {
  /** Whether somebody took the connection. */
  readonly connected: boolean
  /** Of the answer; null: there was none. */
  readonly status: number | null
  /** In words, for people. */
  readonly text: string
}

const PROBE_TIMEOUT_MS = 5_000

/** Asks an engine on this machine whether it is ready; never rejects. A redirect is no answer. */
export function probe(port: number, path: string, signal: AbortSignal): Promise<Probed> {
  return new Promise((resolve) => {
    let connected = false
    const request = get(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]),
      },
      (response) => {
        const status = response.statusCode ?? 0
        // Nothing but the status counts.
        response.on('error', () => {})
        request.destroy()
        resolve({ connected: true, status, text: `${path} answered ${status}` })
      },
    )
    request.on('socket', (socket) => {
      socket.once('connect', () => {
        connected = true
      })
    })
    request.on('error', (error) => {
      const code = 'code' in error ? String(error.code) : error.name
      const text = connected
        ? `${path} did not answer (${code})`
        : `nothing listens on port ${port} (${code})`
      resolve({ connected, status: null, text })
    })
  })
}

export function isReady({ status }: Probed): boolean {
  return status !== null && status >= 200 && status < 300
}
