import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countStatements } from '../../src/io/migrate-clickhouse.js'

test('counts statements, whatever quotes and comments hold', () => {
  const inside = fc.stringMatching(/^[a-z; -]*$/)
  const token = fc.oneof(
    fc.constantFrom('SELECT', 'x', '1', '(', ')'),
    inside.map((text) => `'${text}\\'${text}'''`),
    inside.map((text) => `"${text}"`),
    inside.map((text) => `\`${text}\``),
    inside.map((text) => `/* ${text} ' */`),
    inside.map((text) => `-- ${text} '\n`),
  )
  // A statement holds at least a word, whatever comments stand around it.
  const statement = fc.array(token).map((tokens) => ['SELECT', ...tokens].join(' '))
  fc.assert(
    fc.property(fc.array(statement), fc.boolean(), (statements, closed) => {
      const sql = statements.join('\n;\n') + (closed ? '\n;\n-- end' : '')
      assert.equal(countStatements(sql), statements.length)
    }),
  )
})
