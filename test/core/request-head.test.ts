import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.js'
import { MAX_DEPTH } from '../../src/core/json-scan.js'
import { DROPPED_FIELDS, readRequestHead } from '../../src/core/request-head.js'
import { damaged } from './damaged-bytes.js'
import { jsonText, memberText, objectText, stringText, type JsonText, type MemberText } from './json-text.js'

const PROMPTS = ['messages', 'prompt', 'input']
const ROUTED = ['model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'n', 'user']
const KEYS = [...ROUTED, ...PROMPTS, ...DROPPED_FIELDS]

const text = (value: unknown): JsonText => ({ text: JSON.stringify(value), stringBytes: 0 })
const integer = fc.oneof(fc.integer({ min: -1, max: 200 }), fc.nat()).map(text)
const flag = fc.constantFrom(true, false, null)

/** Values that a key mostly has. */
const usual = new Map<string, fc.Arbitrary<JsonText>>(
  Object.entries({
    model: stringText,
    stream: flag.map(text),
    stream_options: fc
      .oneof(
        flag,
        fc.record(
          { include_usage: flag, continuous_usage_stats: flag, other: fc.jsonValue() },
          { requiredKeys: [] },
        ),
      )
      .map(text),
    max_tokens: integer,
    max_completion_tokens: integer,
    n: integer,
    user: stringText,
  }),
)

const anyMember = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(...KEYS) },
    { weight: 1, arbitrary: fc.constantFrom('temperature', 'Model', 'model ', '__proto__', '', 'é') },
  )
  .chain((key) =>
    memberText(
      fc.constant(key),
      fc.oneof({ weight: 5, arbitrary: usual.get(key) ?? jsonText }, { weight: 1, arbitrary: jsonText }),
    ),
  )
const anyMembers = fc
  .tuple(
    fc.array(anyMember, { maxLength: 7 }),
    memberText(fc.constant('model'), stringText),
    fc.boolean(),
    fc.nat(),
  )
  .map(([members, model, hasModel, at]) =>
    hasModel ? members.toSpliced(at % (members.length + 1), 0, model) : members,
  )

interface Expected {
  model: string
  stream: boolean
  includeUsage: boolean | null
  continuousUsageStats: boolean | null
  maxTokens: number | null
  n: number
  user: string | null
}

const isFlag = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === 'boolean'
const isCount = (value: unknown, most: number): value is number | null | undefined =>
  value === undefined ||
  value === null ||
  (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most)

/** The same reading, done with JSON.parse; null where a field is refused. */
function naiveHead(body: Record<string, unknown>): Expected | null {
  const own = (key: string): unknown => (Object.hasOwn(body, key) ? body[key] : undefined)
  const model = own('model')
  const [stream, user, n] = [own('stream'), own('user'), own('n')]
  const [most, mostCompletion] = [own('max_tokens'), own('max_completion_tokens')]
  if (typeof model !== 'string' || model === '' || !isFlag(stream)) return null
  if (!isCount(most, Number.MAX_SAFE_INTEGER) || !isCount(mostCompletion, Number.MAX_SAFE_INTEGER))
    return null
  if (!isCount(n, 128)) return null
  if (user !== undefined && user !== null && typeof user !== 'string') return null
  const options = own('stream_options') ?? null
  if (typeof options !== 'object' || Array.isArray(options)) return null
  const { include_usage: usage, continuous_usage_stats: continuous } = (options ?? {}) as Record<
    string,
    unknown
  >
  if (!isFlag(usage) || !isFlag(continuous)) return null
  return {
    model,
    stream: stream === true,
    includeUsage: options === null ? null : usage === true,
    continuousUsageStats: options === null ? null : continuous === true,
    maxTokens: mostCompletion ?? most ?? null,
    n: n ?? 1,
    user: user ?? null,
  }
}

function expectedOf(members: readonly MemberText[]): Expected | null {
  const known = members.filter(({ key }) => KEYS.includes(key)).map(({ key }) => key)
  if (new Set(known).size < known.length) return null
  const bytesOf = (key: string) =>
    Buffer.byteLength(members.find((member) => member.key === key)?.value.text ?? '')
  if (bytesOf('model') > 1024 || bytesOf('stream_options') > 4096) return null
  return naiveHead(JSON.parse(objectText(members)) as Record<string, unknown>)
}

/** The head in the naive reader's shape; null where it is refused, which must be by an error fit for a client. */
function read(body: Buffer): { head: ReturnType<typeof readRequestHead>; seen: Expected } | null {
  try {
    const head = readRequestHead(body)
    return {
      head,
      seen: {
        model: head.model,
        stream: head.stream,
        includeUsage: head.streamOptions?.includeUsage ?? null,
        continuousUsageStats: head.streamOptions?.continuousUsageStats ?? null,
        maxTokens: head.maxTokens,
        n: head.n,
        user: head.user,
      },
    }
  } catch (error) {
    assert.ok(error instanceof GatewayError, `not a GatewayError: ${String(error)}`)
    assert.ok(['invalid_json', 'invalid_parameter'].includes(error.code))
    return null
  }
}

test('reads what a naive reader reads with JSON.parse, and refuses what it refuses', () => {
  fc.assert(
    fc.property(anyMembers, (members) => {
      const body = Buffer.from(objectText(members))
      const result = read(body)
      assert.deepEqual(result?.seen ?? null, expectedOf(members))
      if (result === null) return
      const { head } = result
      assert.equal(JSON.parse(body.toString('utf8', head.modelStart, head.modelEnd)), head.model)
      const prompts = members.filter(({ key }) => PROMPTS.includes(key))
      assert.equal(
        head.promptBytes,
        prompts.reduce((bytes, { value }) => bytes + value.stringBytes, 0),
      )
      const longest = Math.max(0, ...prompts.map(({ value }) => Buffer.byteLength(value.text)))
      assert.equal(head.promptEnd - head.promptStart, longest)
      const text = body.toString('utf8', head.promptStart, head.promptEnd)
      assert.equal(
        prompts.find(({ value }) => Buffer.byteLength(value.text) === longest)?.value.text ?? '',
        text,
      )
      assert.deepEqual(
        head.droppedFields,
        members.map(({ key }) => key).filter((key) => DROPPED_FIELDS.includes(key)),
      )
      const options = body.toString('utf8', head.streamOptionsStart, head.streamOptionsEnd)
      if (members.some(({ key }) => key === 'stream_options')) {
        assert.deepEqual(JSON.parse(`{${options}}`), {
          stream_options: (JSON.parse(body.toString()) as Record<string, unknown>)['stream_options'],
        })
      } else assert.equal(options, '')
    }),
    { numRuns: 3000 },
  )
})

test('agrees with JSON.parse on every damaged body that both accept, and throws nothing but errors for clients', () => {
  const palette = [...Buffer.from('{}[]",:\\ \n0-.eEtn'), 0x00, 0x80, 0xc3, 0xff]
  const body = anyMembers.map((members) => Buffer.from(objectText(members)))
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  fc.assert(
    fc.property(damaged(body, palette), (bytes) => {
      const result = read(bytes)
      if (result === null) return
      let parsed: Record<string, unknown>
      const decoded = utf8.decode(bytes)
      try {
        parsed = JSON.parse(decoded) as Record<string, unknown>
      } catch {
        return
      }
      assert.deepEqual(result.seen, naiveHead(parsed))
    }),
    { numRuns: 5000 },
  )
})

test('refuses every truncation of a body', () => {
  const body = Buffer.from(
    '{"model":"m","messages":[{"role":"user","content":"\\"{[ é 😀"}],"stream":true,"max_tokens":1e3,"n":1.0}',
  )
  assert.equal(read(body)?.seen.maxTokens, 1000)
  for (let length = 0; length < body.length; length++) assert.equal(read(body.subarray(0, length)), null)
})

test('names the parameter that is at fault', () => {
  const cases: [string, string][] = [
    ['{}', 'model'],
    ['{"model":""}', 'model'],
    ['{"model":1}', 'model'],
    ['{"model":null}', 'model'],
    [`{"model":"${'m'.repeat(1025)}"}`, 'model'],
    ['{"model":"a","model":"b"}', 'model'],
    ['{"model":"a","\\u006dodel":"b"}', 'model'],
    ['{"model":"a","stream":"true"}', 'stream'],
    ['{"model":"a","stream":1}', 'stream'],
    ['{"model":"a","stream":true,"stream":true}', 'stream'],
    ['{"model":"a","max_tokens":0}', 'max_tokens'],
    ['{"model":"a","max_tokens":-0}', 'max_tokens'],
    ['{"model":"a","max_tokens":1.5}', 'max_tokens'],
    ['{"model":"a","max_tokens":"5"}', 'max_tokens'],
    ['{"model":"a","max_tokens":1e400}', 'max_tokens'],
    ['{"model":"a","max_completion_tokens":[1]}', 'max_completion_tokens'],
    ['{"model":"a","n":129}', 'n'],
    ['{"model":"a","n":true}', 'n'],
    ['{"model":"a","user":{}}', 'user'],
    ['{"model":"a","stream_options":[]}', 'stream_options'],
    ['{"model":"a","stream_options":{"include_usage":1}}', 'stream_options.include_usage'],
    [
      '{"model":"a","stream_options":{"continuous_usage_stats":"x"}}',
      'stream_options.continuous_usage_stats',
    ],
    ['{"model":"a","messages":[],"messages":[]}', 'messages'],
    ['{"model":"a","priority":1,"priority":2}', 'priority'],
  ]
  for (const [body, param] of cases) {
    assert.throws(() => readRequestHead(Buffer.from(body)), { code: 'invalid_parameter', param }, body)
  }
})

test('refuses bytes that are not UTF-8 wherever they stand', () => {
  const body = (inside: number[]) =>
    Buffer.concat([Buffer.from('{"model":"m","prompt":"'), Buffer.from(inside), Buffer.from('"}')])
  assert.equal(readRequestHead(body([0xf0, 0x9f, 0x98, 0x80])).promptBytes, 4)
  for (const bytes of [
    [0x80],
    [0xc3],
    [0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xf5, 0x80],
  ]) {
    assert.throws(() => readRequestHead(body(bytes)), { code: 'invalid_json' })
  }
})

test('takes nesting to the limit and refuses it beyond', () => {
  const body = (depth: number) =>
    Buffer.from(`{"model":"m","messages":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  assert.equal(readRequestHead(body(MAX_DEPTH)).model, 'm')
  assert.throws(() => readRequestHead(body(MAX_DEPTH + 1)), { code: 'invalid_json' })
  assert.throws(() => readRequestHead(body(100_000)), { code: 'invalid_json' })
})

test('leaves nested routed names alone', () => {
  const body = '{"metadata":{"model":"x","stream":1},"model":"m","tools":[{"n":"y","priority":1}]}'
  const head = readRequestHead(Buffer.from(body))
  assert.equal(head.model, 'm')
  assert.deepEqual(head.droppedFields, [])
})

test('counts the prompts of a list, and takes a list of token ids for one', () => {
  const prompt = fc.oneof(
    fc.string(),
    fc.array(fc.nat()),
    fc.array(fc.string(), { minLength: 1 }),
    fc.array(fc.array(fc.nat()), { minLength: 1 }),
  )
  fc.assert(
    fc.property(prompt, fc.constantFrom(0, 1, 2), (value, indent) => {
      const body = Buffer.from(JSON.stringify({ model: 'm', prompt: value }, null, indent))
      const several = Array.isArray(value) && typeof value[0] !== 'number' && value.length > 0
      assert.equal(readRequestHead(body).prompts, several ? value.length : 1)
    }),
  )
})

test('counts token ids, and refuses more prompts than can be meant', () => {
  const ids = (prompt: unknown) =>
    readRequestHead(Buffer.from(JSON.stringify({ model: 'm', prompt }))).promptTokenIds
  assert.equal(ids([1, 2, 3]), 3)
  assert.equal(
    ids([
      [1, 2],
      [3, 4, 5],
    ]),
    5,
  )
  assert.equal(ids(['a', 'b']), 0)
  assert.equal(ids('1,2,3'), 0)
  assert.throws(() => ids(Array.from({ length: 4_097 }, () => '')), GatewayError)
})
