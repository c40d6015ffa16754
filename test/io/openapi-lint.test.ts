import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { z } from 'zod'
import { apiDocuments } from '../../src/io/api-documents.js'
import { mountDocs } from '../../src/io/docs-mount.js'
import { packageRoot } from '../../src/io/package-root.js'
import { createHttpApp } from '../../src/io/uws.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const run = promisify(execFile)

const RULES = `
extends: [recommended]
rules:
  # Probes and documents take any query and no body: there is no request of theirs that could be wrong.
  operation-4xx-response: off
`

const Report = z.looseObject({
  totals: z.looseObject({ errors: z.number(), warnings: z.number() }),
  problems: z.array(z.looseObject({ ruleId: z.string(), message: z.string() })),
})

/** The document that a port serves. */
async function served(port: 'admin' | 'tenant'): Promise<string> {
  const app = createHttpApp({
    onError: (error) => {
      throw error
    },
  })
  mountDocs(app, port, () => Promise.resolve(apiDocuments(port, null)))
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`
  try {
    return await (await fetch(`${url}/openapi.json`)).text()
  } finally {
    app.close()
  }
}

for (const port of ['admin', 'tenant'] as const) {
  test(`Redocly's recommended rules find nothing to say of the ${port} port's document`, async () => {
    await using folder = await temporaryFolder()
    const document = join(folder.path, 'openapi.json')
    const config = join(folder.path, 'redocly.yaml')
    await writeFile(document, await served(port))
    await writeFile(config, RULES)
    const { stdout } = await run(
      process.execPath,
      [
        join(packageRoot, 'node_modules/@redocly/cli/bin/cli.js'),
        ...['lint', document, '--config', config, '--format', 'json'],
      ],
      {
        cwd: folder.path,
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
        maxBuffer: 64 * 1024 * 1024,
      },
    ).catch((error: unknown) => z.looseObject({ stdout: z.string() }).parse(error))
    const { totals, problems } = Report.parse(JSON.parse(stdout))
    const found = problems.map(({ ruleId, message }) => `${ruleId}: ${message}`)
    assert.deepEqual(found, [])
    assert.deepEqual([totals.errors, totals.warnings], [0, 0])
  })
}
