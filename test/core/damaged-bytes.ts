import fc from 'fast-check'

/** Damages bytes: cuts, inserts, overwrites, moves; often at places that matter to JSON and HTTP alike. */
export function damaged(bytes: fc.Arbitrary<Buffer>, palette: readonly number[]): fc.Arbitrary<Buffer> {
  const byte = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...palette) },
    { weight: 1, arbitrary: fc.nat({ max: 255 }) },
  )
  const place = fc.double({ min: 0, max: 1, noNaN: true })
  const edit = fc.record({
    kind: fc.constantFrom('truncate', 'delete', 'insert', 'overwrite', 'repeat'),
    place,
    length: fc.integer({ min: 1, max: 6 }),
    byte,
  })
  return fc.tuple(bytes, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([start, edits]) =>
    edits.reduce((text, { kind, place: share, length, byte: value }) => {
      const at = Math.floor(share * text.length)
      const before = text.subarray(0, at)
      switch (kind) {
        case 'truncate':
          return before
        case 'delete':
          return Buffer.concat([before, text.subarray(at + length)])
        case 'insert':
          return Buffer.concat([before, Buffer.alloc(length % 3 || 1, value), text.subarray(at)])
        case 'repeat':
          return Buffer.concat([before, text.subarray(at, at + length), text.subarray(at)])
        case 'overwrite':
          return Buffer.concat([before, Buffer.from([value]), text.subarray(at + 1)])
      }
    }, start),
  )
}
