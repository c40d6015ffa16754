import type { ServerResponse } from 'node:http'

/**
 * The part of AWS's instance metadata that an agent reads, under `/metadata/{cluster}`: the token of version 2, and the
 * notice of an interruption, which is a 404 until there is one.
 */
export function answerMetadata(
  path: string,
  method: string,
  takenAt: (clusterName: string) => Date | null,
  response: ServerResponse,
): void {
  const [, , clusterName = '', ...rest] = path.split('/')
  const at = takenAt(clusterName)
  const what = `${method} /${rest.join('/')}`
  if (what === 'PUT /latest/api/token') {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('metadata-token')
    return
  }
  if (what !== 'GET /latest/meta-data/spot/instance-action' || at === null) {
    response.writeHead(404).end()
    return
  }
  const time = at.toISOString().replace(/\.\d+Z$/, 'Z')
  const body = JSON.stringify({ action: 'terminate', time })
  response.writeHead(200, { 'content-type': 'application/json' }).end(body)
}
