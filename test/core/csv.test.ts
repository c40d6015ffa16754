import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { csvLine } from '../../src/core/csv.js'

/** As RFC 4180 has it: the cells of one line. */
function parseLine(line: string): string[] {
  const cells: string[] = []
  for (let at = 0; ;) {
    let cell = ''
    if (line[at] === '"') {
      for (at++; line[at] !== '"' || line[at + 1] === '"'; at++) {
        cell += line[at]
        if (line[at] === '"') at++
      }
      at++
    } else while (line[at] !== ',' && line[at] !== '\r') cell += line[at++]
    cells.push(cell)
    if (line[at] === ',') at++
    else {
      assert.equal(line.slice(at), '\r\n')
      return cells
    }
  }
}

const hostile = fc.string({
  unit: fc.constantFrom('a', '"', ',', '\r', '\n', '=', '+', '-', '@', '\t', '＝', "'", ' '),
})

test('what is written is what a reader of CSV reads, but for the apostrophe before a formula', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(hostile, fc.string()), { minLength: 1 }), (values) => {
      const read = parseLine(csvLine(values))
      assert.equal(read.length, values.length)
      values.forEach((value, index) => {
        const formula = /^[=+\-@\t\r\n＝＋－＠]/.test(value)
        assert.equal(read[index], formula ? `'${value}` : value)
      })
    }),
  )
})

test('no cell begins as a formula does, quoted or not', () => {
  fc.assert(
    fc.property(fc.array(hostile, { minLength: 1 }), (values) => {
      for (const cell of parseLine(csvLine(values))) assert.doesNotMatch(cell, /^[=+\-@\t\r\n＝＋－＠]/)
    }),
  )
})

test('null is empty, and a line of attack stays text', () => {
  assert.equal(csvLine([null, undefined, 'a']), ',,a\r\n')
  assert.equal(csvLine(['=HYPERLINK("http://x","y")']), `"'=HYPERLINK(""http://x"",""y"")"\r\n`)
})
