import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { etagOf, parseIfMatch, requireMatch } from '../../src/core/contract/etag.js'
import { GatewayError } from '../../src/core/errors.js'

const code = (thrown: unknown) => (thrown instanceof GatewayError ? thrown.code : String(thrown))

test('a list of tags is read as it was written, whatever stands between them', () => {
  const tag = fc
    .tuple(fc.constantFrom('', 'W/'), fc.stringMatching(/^[!#-~]{0,20}$/))
    .map(([weak, text]) => `${weak}"${text}"`)
  const separator = fc.constantFrom(',', ', ', ' ,', ' ,\t ')
  fc.assert(
    fc.property(fc.array(fc.tuple(tag, separator), { minLength: 1, maxLength: 5 }), (parts) => {
      const tags = parts.map(([text]) => text)
      const header = parts.map(([text, between], at) => (at === 0 ? text : `${between}${text}`)).join('')
      assert.deepEqual(parseIfMatch(header), tags)
    }),
  )
})

test('anything is read as tags, as * or refused as If-Match, and nothing else is thrown', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[W/", *0-9]{0,12}$/)), (header) => {
      try {
        const read = parseIfMatch(header)
        assert.ok(read === '*' ? header.trim() === '*' : read.length > 0)
      } catch (error) {
        assert.equal(code(error), 'invalid_parameter')
      }
    }),
  )
})

test('a version matches its own strong tag and *, never a weak tag or another', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (version, other) => {
      requireMatch(null, version)
      requireMatch('*', version)
      requireMatch(parseIfMatch(`"x", ${etagOf(version)}`), version)
      assert.throws(() => {
        requireMatch([`W/${etagOf(version)}`], version)
      }, /changed/)
      if (other === version) return
      assert.throws(
        () => {
          requireMatch([etagOf(other)], version)
        },
        (error) => code(error) === 'precondition_failed',
      )
    }),
  )
})
