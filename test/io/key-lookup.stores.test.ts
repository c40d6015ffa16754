import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiKeyDigest, apiKeyDigestHex, generateApiKey } from '../../src/core/api-key.js'
import { findKeys } from '../../src/io/key-lookup.js'
import { findKey } from '../support/find-key.js'
import { startContractPort, tenantBody } from '../support/contract-port.js'

test('many keys are looked up in one statement, each with what it inherits, and only those that hold', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const tenants = [
    await port.send('POST', '/admin/tenants', tenantBody({ tier: 'pro' })),
    await port.send('POST', '/admin/tenants', tenantBody({ tier: 'free' })),
    await port.send('POST', '/admin/tenants', tenantBody()),
  ]
  const [pro = '', free = '', gone = ''] = tenants.map(({ body }): string => body['api_key'] ?? '')
  await port.send('DELETE', `/admin/tenants/${tenants[2]?.body['tenant']?.['id']}`)
  const unknown = generateApiKey('live', Buffer.alloc(32, 7))
  const asked = [free, unknown, pro, gone, pro].map(apiKeyDigest)

  const found = await findKeys(postgres, asked)
  assert.deepEqual(
    [...found].map(([digest, { tier }]) => [digest, tier]).toSorted(),
    [
      [apiKeyDigestHex(pro), 'pro'],
      [apiKeyDigestHex(free), 'free'],
    ].toSorted(),
  )
  for (const key of [pro, free]) {
    assert.deepEqual(found.get(apiKeyDigestHex(key)), await findKey(postgres, apiKeyDigest(key)))
  }
  assert.equal((await findKeys(postgres, [])).size, 0)
  assert.deepEqual(port.failures, [])
})
