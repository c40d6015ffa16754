import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { API_TITLES, type ApiPort } from '../core/api-titles.js'
import { GatewayError, toGatewayError } from '../core/errors.js'
import type { ApiDocuments } from '../core/contract/task.js'
import type { HttpApp, HttpCall } from './uws.js'

const TYPES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

/** Nothing from anywhere else; Swagger UI styles its elements inline and draws with data URLs. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

function page(title: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    <link rel="icon" href="/api-docs/favicon-32x32.png">
    <link rel="stylesheet" href="/api-docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/api-docs/swagger-ui-bundle.js"></script>
    <script src="/api-docs/start.js"></script>
  </body>
</html>
`
}

const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
})
`

/**
 * Mounts a port's API reference: `/openapi.json`, `/api/v1/admin/openapi.yaml` and the page `/api-docs`, which loads
 * nothing from outside this port.
 * @param makeDocuments called when one is first asked for, and again only if that failed
 */
export function mountDocs(app: HttpApp, port: ApiPort, makeDocuments: () => Promise<ApiDocuments>): void {
  let made: Promise<ApiDocuments> | null = null
  const documents = () =>
    (made ??= makeDocuments().catch((error: unknown) => {
      made = null
      throw error
    }))
  const document = (path: string, type: string, form: keyof ApiDocuments) => {
    app.route('GET', path, (call: HttpCall) => {
      documents().then(
        (both) => {
          call.reply(200, { 'content-type': type }, both[form])
        },
        (error: unknown) => {
          call.fail(toGatewayError(error))
        },
      )
    })
  }
  document('/openapi.json', 'application/json', 'json')
  document('/api/v1/admin/openapi.yaml', 'application/yaml', 'yaml')

  const text = (path: string, type: string, body: string, headers: Record<string, string> = {}) => {
    app.route('GET', path, (call) => {
      call.reply(200, { 'content-type': type, ...headers }, body)
    })
  }
  text('/api-docs', 'text/html; charset=utf-8', page(API_TITLES[port]), {
    'content-security-policy': PAGE_POLICY,
  })
  text('/api-docs/start.js', 'text/javascript; charset=utf-8', START)

  const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  const loaded = new Map<string, Buffer>()
  app.route('GET', '/api-docs/{file}', (call) => {
    const file = call.params['file'] ?? ''
    const type = Object.hasOwn(TYPES, file) ? TYPES[file] : undefined
    if (type === undefined) throw new GatewayError('not_found')
    let bytes = loaded.get(file)
    if (bytes === undefined) loaded.set(file, (bytes = readFileSync(join(assets, file))))
    call.reply(200, { 'content-type': type, 'cache-control': 'public, max-age=3600' }, bytes)
  })
}
