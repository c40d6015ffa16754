import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ParquetColumn, parquetPiece, ParquetState } from '../../src/core/parquet-file.js'

type Row = readonly [string, number | null]

const COLUMNS: readonly ParquetColumn<Row>[] = [
  {
    schema: { name: 'name', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    valueOf: ([name]) => name,
  },
  {
    schema: { name: 'value', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
    valueOf: ([, value]) => value,
  },
]

const rows = fc.array(fc.tuple(fc.string(), fc.option(fc.double({ noNaN: true }))), { maxLength: 50 })

// ClickHouse reads such files in test/workers/handlers/usage-export.stores.test.ts.
test('pieces that know of each other by their state alone make one file, as long as the state says', () => {
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 6 }), (groups) => {
      const pieces: Uint8Array[] = []
      let before: ParquetState | null = null
      for (const [i, group] of groups.entries()) {
        const piece = parquetPiece(COLUMNS, group, { before, last: i === groups.length - 1 })
        pieces.push(piece.bytes)
        // As it travels from call to call.
        before = ParquetState.parse(JSON.parse(JSON.stringify(piece.state)))
        assert.equal(Buffer.concat(pieces).length, before.bytes)
      }
      const file = Buffer.concat(pieces)
      assert.equal(file.subarray(0, 4).toString(), 'PAR1')
      assert.equal(file.subarray(-4).toString(), 'PAR1')
      const footer = file.readUInt32LE(file.length - 8)
      assert.ok(footer > 0 && footer <= file.length - 12)
      assert.deepEqual(
        before?.groups.map((group) => group.rows),
        groups.map(({ length }) => length).filter((length) => length > 0),
      )
    }),
  )
})
