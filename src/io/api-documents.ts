import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { z } from 'zod'
import { adminPortDocumented, tenantPortDocumented } from '../core/contract/contract.js'
import { API_TITLES, type ApiPort } from '../core/api-titles.js'
import type { ApiDocuments } from '../core/contract/task.js'
import { openApiDocument } from '../core/openapi.js'
import { packageRoot } from './package-root.js'

const PORTS = {
  admin: {
    description: 'Runs the platform: tenants, models, nodes and routes.',
    endpoints: adminPortDocumented,
  },
  tenant: { description: 'OpenAI-compatible inference, and what it cost.', endpoints: tenantPortDocumented },
} as const

/**
 * Derives a port's document from the contract: work for the better part of a second, not to be done on a port's event loop.
 * @param serverUrl where clients reach the API; null: where they found the document
 */
export function apiDocuments(port: ApiPort, serverUrl: string | null): ApiDocuments {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  const { version } = z.object({ version: z.string() }).parse(manifest)
  const document = openApiDocument({
    ...PORTS[port],
    title: API_TITLES[port],
    version,
    serverUrl: serverUrl ?? undefined,
  })
  return { json: JSON.stringify(document), yaml: stringify(document, { aliasDuplicateObjects: false }) }
}
