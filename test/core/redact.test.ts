import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { generateAdminToken } from '../../src/core/admin-token.js'
import { generateApiKey } from '../../src/core/api-key.js'
import { redactedJson } from '../../src/core/redact.js'

const secretName = fc.constantFrom(
  ...['api_key', 'apiKey', 'key', 'token', 'hf-token', 'HF_TOKEN', 'accessToken', 'password', 'DB_PASSWORD'],
  ...['digest', 'client_secret', 'Authorization', 'credentials', 'x-api-key'],
)
const SECRET = 'sw0rdfish'
const secretValue = fc.oneof(
  fc.constant<unknown>(SECRET),
  fc.constant<unknown>([SECRET]),
  fc.constant<unknown>({ value: SECRET }),
)

/** A value with secrets somewhere inside, under names that say so. */
const holding = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.tuple(secretName, secretValue).map(([name, value]) => ({ [name]: value })),
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('metadata', 'nested', 'a'), tie('node'), { maxKeys: 3 }),
  ),
})).node

test('nothing that stands under the name of a secret is shown, at any depth', () => {
  fc.assert(fc.property(holding, (value) => !redactedJson(value).includes(SECRET)))
})

test('keys and tokens of the gateway are hidden wherever they stand', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array))
  fc.assert(
    fc.property(bytes, fc.string(), (random, around) => {
      for (const secret of [
        generateApiKey('live', random),
        generateApiKey('test', random),
        generateAdminToken(random),
      ]) {
        assert.ok(!redactedJson({ note: [`${around} ${secret} ${around}`] }).includes(secret.slice(12)))
      }
    }),
  )
})

test('arguments of a command line that are secrets are hidden, the others are not', () => {
  const shown = redactedJson({
    engine_args: ['--api-key', SECRET, '--port', '8000', `--hf-token=${SECRET}`],
    command: `vllm serve --api-key ${SECRET} --max-model-len 4096`,
  })
  assert.ok(!shown.includes(SECRET))
  assert.match(shown, /8000/)
  assert.match(shown, /--max-model-len 4096/)
})

test('everything else stays as it is', () => {
  const row = {
    name: 'key holder',
    prefix: 'clsk_live_0123AB',
    has_api_key: true,
    api_key: null,
    tokens_per_minute: 5,
    max_tokens: 10,
    metadata: { keyboard: 'qwerty', list: [1, 'two', null] },
  }
  assert.deepEqual(JSON.parse(redactedJson(row)), row)
})
