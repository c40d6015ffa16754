import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseYamlBody, yamlText } from '../../src/core/contract/yaml-body.js'
import { GatewayError } from '../../src/core/errors.js'

const parse = (text: string) => parseYamlBody(Buffer.from(text))

/** Code, param and message of what a body is refused with. */
function refusal(text: string): [string, string | null, string] {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error))
    return [error.code, error.param, error.message]
  }
  return ['accepted', null, '']
}

test('a body is one YAML mapping; JSON is YAML, and nothing is the empty object', () => {
  assert.deepEqual(parse(''), {})
  assert.deepEqual(parse('# nothing\n---\n'), {})
  assert.deepEqual(parse('{"a": [1, "2", null, true, {"b": 1e-7}]}'), {
    a: [1, '2', null, true, { b: 1e-7 }],
  })
  assert.deepEqual(parse('a:\n- b: no\n  c: 2025-01-01\n- d\n'), { a: [{ b: 'no', c: '2025-01-01' }, 'd'] })
  assert.deepEqual(parse('a: |\n  &b *c !d\n'), { a: '&b *c !d\n' })
})

test('what is no such mapping is refused with its line', () => {
  const cases: [string, RegExp][] = [
    ['- a', /must be a mapping/],
    ['text', /must be a mapping/],
    ['a: 1\nb: [', /line 2/],
    ['a: 1\n---\nb: 2\n', /more than one document \(line 2\)/],
    ['a: 1\nb: &x 2', /an anchor is not accepted \(line 2\)/],
    ['a: *x', /an alias is not accepted \(line 1\)/],
    ['a: !!binary aGk=', /a tag is not accepted/],
    ['%YAML 1.1\n---\na: 1', /a directive is not accepted/],
    ['1: a', /a key is no text/],
    ['? [a]\n: b', /a key is no text/],
    ['null: a', /a key is no text/],
    ['a: ]', /line 1/],
    ['a:\n\t- b', /line 2/],
  ]
  for (const [text, message] of cases) {
    const [code, , said] = refusal(text)
    assert.equal(code, 'invalid_json', text)
    assert.match(said, message, text)
  }
  assert.throws(() => parseYamlBody(Buffer.from([0x61, 0x3a, 0xff])), /not UTF-8/)
})

test('a key stands once, and __proto__ is unknown', () => {
  assert.deepEqual(refusal('a:\n- b: 1\n  c: 2\n  b: 3').slice(0, 2), ['invalid_parameter', 'a[0].b'])
  assert.deepEqual(refusal('a: {"b": 1, b: 2}').slice(0, 2), ['invalid_parameter', 'a.b'])
  assert.deepEqual(refusal('a: {__proto__: {b: 1}}').slice(0, 2), ['unknown_parameter', 'a.__proto__'])
})

test('32 levels are accepted and no more, however they are written', () => {
  const nested: ((levels: number) => string)[] = [
    (levels) => `${'{a: '.repeat(levels)}1${'}'.repeat(levels)}`,
    (levels) => `a: ${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}`,
    (levels) => `a:\n${'- '.repeat(levels - 1)}1`,
    (levels) => Array.from({ length: levels }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
    (levels) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`,
  ]
  for (const write of nested) {
    assert.equal(refusal(write(32))[0], 'accepted', write(32))
    assert.match(refusal(write(33))[2], /nested more than 32 deep/, write(33))
    assert.match(refusal(write(100_000 / 33))[2], /nested more than 32 deep/)
  }
})

test('a body of the full size that is made to cost is refused before it does', () => {
  const cases: [string, RegExp][] = [
    ['[', /nested more than/],
    ['{a: ', /nested more than/],
    ['- ', /nested more than/],
    ['? ', /nested more than/],
    [': ', /nested more than/],
    [']', /Unexpected flow-seq-end/],
    ['&a ', /an anchor/],
    ['- a\n', /more than 400000 tokens/],
    ['---\n', /more than 400000 tokens/],
    ['a: b\r\n', /more than 400000 tokens/],
  ]
  for (const [part, message] of cases) {
    assert.match(refusal(part.repeat(2 ** 20 / part.length))[2], message, part)
  }
  assert.match(refusal(`[${','.repeat(2 ** 20)}`)[2], /more than 400000 tokens/)
})

test('what is written as YAML is read as it was', () => {
  const text = fc.string({ unit: 'binary' }).filter((string) => string.isWellFormed())
  const key = fc.oneof(
    text,
    fc.constantFrom('null', 'true', '1', '1e3', '~', '<<', '=', 'y', '- a', '#', '0x1F', ''),
  )
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      key,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        key.filter((name) => name !== '__proto__'),
        tie('value'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  }))
  fc.assert(
    fc.property(value, (any) => {
      // -0 and 0 are the same number to JSON, which stores it.
      const plain: unknown = JSON.parse(JSON.stringify({ any }))
      assert.deepEqual(parse(yamlText(plain)), plain)
    }),
    { numRuns: 1000 },
  )
})

test('whatever bytes come, a body is an object or refused', () => {
  const scraps = fc.array(
    fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '|',
      '>',
      '#',
      '?',
      ',',
      '\t',
      '&',
      '*',
      '!',
      '%',
      '\\',
      '---',
      '...',
      '\r',
      '\ufeff',
      '0',
      '~',
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(scraps, (parts) => {
      const [code, , message] = refusal(parts.join(''))
      assert.ok(
        ['accepted', 'invalid_json', 'invalid_parameter', 'unknown_parameter'].includes(code),
        message,
      )
    }),
    { numRuns: 5000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assert.equal(typeof parseYamlBody(bytes), 'object')
      } catch (error) {
        assert.ok(error instanceof GatewayError, String(error))
      }
    }),
  )
})
