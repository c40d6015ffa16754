import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import { mountDocs } from '../../src/io/docs-mount.js'
import { createHttpApp } from '../../src/io/uws.js'

test('the reference is made when it is first asked for, once, and again only where that failed', async () => {
  const app = createHttpApp({
    onError: (error) => {
      throw error
    },
  })
  let asked = 0
  mountDocs(app, 'tenant', async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (asked === 1) throw new GatewayError('overloaded')
    return { json: '{}', yaml: '---' }
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`
  const get = async (path: string) => {
    const reply = await fetch(url + path)
    return [reply.status, reply.headers.get('content-type'), await reply.text()] as const
  }
  try {
    assert.equal(asked, 0)
    const [status, , text] = await get('/openapi.json')
    assert.equal(status, 503)
    assert.match(text, /overloaded/)
    const replies = await Promise.all(
      ['/openapi.json', '/api/v1/admin/openapi.yaml', '/openapi.json'].map(get),
    )
    const json = [200, 'application/json', '{}']
    assert.deepEqual(replies, [json, [200, 'application/yaml', '---'], json])
    assert.equal(asked, 2)
  } finally {
    app.close()
  }
})
