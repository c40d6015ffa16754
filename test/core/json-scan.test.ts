import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  decodeString,
  JsonScanError,
  MAX_DEPTH,
  MAX_MEMBERS,
  scanObject,
  stringEnd,
} from '../../src/core/json-scan.js'
import { blank, jsonText, memberText, objectText, stringText, tight } from './json-text.js'

interface Seen {
  key: string
  member: string
  value: string
  stringBytes: number
}

function scan(text: string | Buffer): Seen[] {
  const bytes = Buffer.from(text)
  const seen: Seen[] = []
  scanObject(bytes, ({ key, start, end, valueStart }, { stringBytes }) => {
    seen.push({
      key,
      member: bytes.toString('utf8', start, end),
      value: bytes.toString('utf8', valueStart, end),
      stringBytes,
    })
  })
  return seen
}

const anyMember = memberText(fc.constantFrom('a', 'b', '', 'ключ', 'a"b\\c', 'x\ny'), jsonText)

test('visits each top-level member with its ranges and string bytes, duplicates included', () => {
  fc.assert(
    fc.property(fc.array(anyMember, { maxLength: 6 }), blank, blank, (members, before, after) => {
      const expected = members.map((member) => ({
        key: member.key,
        member: tight(member),
        value: member.value.text,
        stringBytes: member.value.stringBytes,
      }))
      assert.deepEqual(scan(before + objectText(members) + after), expected)
    }),
    { numRuns: 1000 },
  )
})

test('finds the end of a string however its escapes lie to the places where the search changes its way', () => {
  for (let plain = 0; plain < 110; plain++) {
    for (const escapes of ['', '\\"', '\\\\', '\\\\\\"', '\\\\\\\\', '\\"'.repeat(60), '\\\\'.repeat(60)]) {
      for (const tail of ['', 'x', 'y'.repeat(70)]) {
        const literal = `"${'x'.repeat(plain)}${escapes}${tail}"`
        const text = Buffer.from(`  ${literal}, "more\\""`)
        assert.equal(stringEnd(text, 2), 2 + literal.length)
      }
    }
  }
})

test('finds no end where a string has none', () => {
  for (const text of [
    '"',
    '"\\',
    '"\\"',
    `"${'x'.repeat(47)}\\`,
    `"${'x'.repeat(48)}\\"`,
    `"${'\\'.repeat(101)}"`,
  ]) {
    assert.throws(() => stringEnd(Buffer.from(text), 0), JsonScanError, text)
  }
})

test('decodes strings as JSON.parse does', () => {
  fc.assert(
    fc.property(stringText, ({ text }) => {
      const bytes = Buffer.from(text)
      assert.equal(decodeString(bytes, 0, bytes.length), JSON.parse(text))
    }),
  )
})

test('refuses strings that JSON.parse refuses when it has to decode them', () => {
  for (const text of ['"\n"', '"\\x"', '"\\u12"', '"\\u12G4"', '"\u0000"']) {
    assert.throws(() => decodeString(Buffer.from(text), 0, text.length), JsonScanError)
    assert.throws(() => scan(`{${text}:1}`), JsonScanError)
  }
})

test('takes nesting to the limit and not beyond, the object itself counted', () => {
  const arrays = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  for (const nested of [arrays, objects]) {
    assert.equal(scan(nested(MAX_DEPTH)).length, 1)
    assert.throws(() => scan(nested(MAX_DEPTH + 1)), JsonScanError)
    assert.throws(() => scan(nested(10 * MAX_DEPTH)), JsonScanError)
  }
})

test('refuses what is not one object', () => {
  const refused = [
    ...[
      '',
      ' ',
      '[]',
      '"a"',
      '1',
      'null',
      '{',
      '{}}',
      '{} {}',
      '{}x',
      '\ufeff{}',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
    ],
    ...['{,}', '{"a":1 "b":2}', '{a:1}', "{'a':1}", '{"a":[}', '{"a":[1}]', '{"a":{"b":1]}', '{"a":[1,[2]}'],
    ...['{"a":tru}', '{"a":True}', '{"a":NaN}', '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":0x10}'],
    ...['{"a":1]}', '{"a":"x}', '{"a":"x\\"}', '{"a":1', '{"a":1,', '{"a":', '{"a', '{"a":[', '{"a":["x]}'],
  ]
  for (const text of refused) assert.throws(() => scan(text), JsonScanError, text)
})

test('gets through megabytes of quotes, backslashes, brackets and blanks', () => {
  const megabytes = 10 * 1024 * 1024
  const fill = (unit: string) => unit.repeat(megabytes / unit.length)
  assert.equal(scan(`{"a":"${fill('\\"')}"}`).length, 1)
  assert.equal(scan(`{"a":"${fill('\\\\')}"}`).length, 1)
  assert.equal(scan(`{"a":["${fill('","')}"]}`).length, 1)
  assert.equal(scan(`{"a":[${fill('"" ')}]}`).length, 1)
  assert.equal(scan(`{"a":"${fill(`${'x'.repeat(60)}\\\\\\"`)}"}`).length, 1)
  assert.equal(scan(`{"a":[${fill('[]')}]}`).length, 1)
  assert.equal(scan(`{"a":${fill(' ')}1}`).length, 1)
  assert.equal(scan(`{"a":[""${fill(' ')}]}`).length, 1)
  assert.throws(() => scan(`{"a":"${fill('\\"')}`), JsonScanError)
  assert.throws(() => scan(`{"a":"${fill('\\')}`), JsonScanError)
  assert.throws(() => scan(fill('"')), JsonScanError)
  assert.throws(() => scan(`{${fill('"')}`), JsonScanError)
  assert.throws(() => scan(`{"a":${fill('{')}`), JsonScanError)
  assert.throws(() => scan(`{"a":${fill('1')}`), JsonScanError)
})

test('refuses an object with more members than any API has', () => {
  const members = (count: number) =>
    Buffer.from(`{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(',')}}`)
  scanObject(members(MAX_MEMBERS), () => {})
  assert.throws(() => {
    scanObject(members(MAX_MEMBERS + 1), () => {})
  }, JsonScanError)
})
