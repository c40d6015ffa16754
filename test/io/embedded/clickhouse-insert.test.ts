import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { insertFromFile, parseInsert } from '../../../src/io/embedded/clickhouse-insert.js'

test('an insert of rows is told from every other statement', () => {
  for (const [statement, target, format] of [
    ['INSERT INTO t FORMAT JSONEachRow', 'INSERT INTO t', 'JSONEachRow'],
    ['\n insert into table db.t(a, b) format csv ', 'insert into table db.t(a, b)', 'csv'],
    ['INSERT INTO `a b`.`c` (`d e`) FORMAT TSV', 'INSERT INTO `a b`.`c` (`d e`)', 'TSV'],
  ] as const) {
    assert.deepEqual(parseInsert(statement), { target, format })
  }
  for (const statement of [
    '',
    'SELECT 1 FORMAT JSONEachRow',
    'INSERT INTO t VALUES',
    'INSERT INTO t FORMAT Values',
    'INSERT INTO t FORMAT RowBinary',
    'INSERT INTO t SETTINGS async_insert = 0 FORMAT CSV',
    'INSERT INTO t SELECT * FROM u FORMAT CSV',
    'INSERT INTO FUNCTION file(x) FORMAT CSV',
    "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    'INSERT INTO t (* EXCEPT a) FORMAT CSV',
    'INSERT INTO t FORMAT CSV 1',
    'INSERT INTO t FORMAT CSV; DROP TABLE t',
    'INSERT INTO t -- FORMAT CSV\n FORMAT CSV',
  ]) {
    assert.equal(parseInsert(statement), null, statement)
  }
})

test('whatever a table and its columns are called, the statement stays what it was but for the file', () => {
  const name = fc.oneof(
    fc.stringMatching(/^[A-Za-z_]\w{0,10}$/),
    fc.stringMatching(/^[^`\\\0-\x1f]{1,10}$/).map((text) => `\`${text}\``),
  )
  const target = fc
    .tuple(fc.option(name), name, fc.array(name, { maxLength: 4 }))
    .map(
      ([database, table, columns]) =>
        `INSERT INTO ${database === null ? '' : `${database}.`}${table}` +
        (columns.length === 0 ? '' : ` (${columns.join(', ')})`),
    )
  fc.assert(
    fc.property(target, (head) => {
      const insert = parseInsert(`${head} FORMAT CSV`)
      assert.ok(insert !== null)
      assert.equal(
        insertFromFile(insert, 'inserts/1.rows'),
        `${head} FROM INFILE 'inserts/1.rows' FORMAT CSV`,
      )
    }),
  )
})
