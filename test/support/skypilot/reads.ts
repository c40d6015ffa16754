import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestTable, StoredRequest } from './requests.js'

/** Answers in JSON, unless somebody else has answered. */
export function reply(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return
  const bytes = Buffer.from(JSON.stringify(body))
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length })
    .end(bytes)
}

/** `/api/get`: answers when the request has ended; with a 504 after `cutMs`, as a proxy before it may. */
export async function blockingGet(
  requests: RequestTable,
  query: URLSearchParams,
  cutMs: number | null,
  response: ServerResponse,
): Promise<void> {
  const found = findOrRefuse(requests, query, response)
  if (found === undefined) return
  const over = new AbortController()
  const closed = once(response, 'close', { signal: over.signal }).then(
    () => 'closed',
    () => 'over',
  )
  const cut = cutMs === null ? [] : [sleep(cutMs, 'cut', { signal: over.signal }).catch(() => 'over')]
  try {
    while (!found.isFinished) {
      const change = found.change(over.signal).then(() => 'changed')
      const what = await Promise.race([change, closed, ...cut])
      if (what === 'closed') return
      if (what === 'cut') {
        response.writeHead(504, { 'content-type': 'text/html' }).end('<html>504 Gateway Time-out</html>')
        return
      }
    }
  } finally {
    over.abort()
  }
  if (found.failed) reply(response, 500, { detail: found.payload('whole') })
  else if (found.shouldRetry) reply(response, 503, { detail: `Request '${found.id}' should be retried` })
  else reply(response, 200, found.payload('whole'))
}

/** `/api/status`: the requests of some ids, or those that have not ended. */
export function listed(requests: RequestTable, query: URLSearchParams): Record<string, unknown>[] {
  const ids = query.getAll('request_ids')
  const cluster = query.get('cluster_name')
  const isListed = (request: StoredRequest) =>
    ids.length > 0
      ? ids.some((id) => request.id.startsWith(id))
      : !request.isFinished && (cluster === null || request.clusterName === cluster)
  return requests
    .all()
    .filter(isListed)
    .map((request) => request.payload('readable'))
}

/** `/api/stream`: the lines of a request's log as they come; cut off after `cutAfter` of them. */
export async function streamLog(
  requests: RequestTable,
  query: URLSearchParams,
  cutAfter: number | null,
  response: ServerResponse,
): Promise<void> {
  const found = findOrRefuse(requests, query, response)
  if (found === undefined) return
  const left = new AbortController()
  response.once('close', () => {
    left.abort()
  })
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  for (let at = 0; !left.signal.aborted;) {
    for (; at < found.lines.length; at++) {
      if (at === cutAfter) {
        // What was written before has to arrive.
        await sleep(20)
        response.destroy()
        return
      }
      response.write(`${found.lines[at] ?? ''}\n`)
    }
    if (found.isFinished || query.get('follow') === 'false') break
    await found.change(left.signal)
  }
  response.end()
}

function findOrRefuse(
  requests: RequestTable,
  query: URLSearchParams,
  response: ServerResponse,
): StoredRequest | undefined {
  const prefix = query.get('request_id') ?? ''
  const found = requests.find(prefix)
  if (found === undefined) reply(response, 404, { detail: `Request '${prefix}' not found` })
  return found
}
