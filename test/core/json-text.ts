import fc from 'fast-check'

/** Generates JSON as text, with what JSON.parse would lose: escapes, spaces, duplicates, ways to write a number. */
export interface JsonText {
  readonly text: string
  /** Bytes inside its string values, keys left out. */
  readonly stringBytes: number
}

export interface MemberText {
  readonly key: string
  /** As written, with the quotes. */
  readonly keyText: string
  readonly value: JsonText
  /** Blanks before the key, before the colon, behind it and behind the value. */
  readonly blanks: readonly [string, string, string, string]
}

export const blank = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom(' ', '\n', '\t', '\r\n', '  \n\t ') },
)

const PIECES = [
  ...'abcXYZ 09{}[]:,/',
  'é',
  '漢字',
  '😀',
  '\\"',
  '\\\\',
  '\\n',
  '\\/',
  '\\u0041',
  '\\u0000',
  '\\ud83d\\ude00',
  '\\ud800',
  '"model":"x"',
].map((piece) => (piece.startsWith('"') ? JSON.stringify(piece).slice(1, -1) : piece))

/** The inside of a JSON string. */
const inner = fc
  .tuple(
    fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 2, max: 400 }) },
    ),
  )
  .map(([pieces, times]) => pieces.join('').repeat(times))

export const stringText: fc.Arbitrary<JsonText> = inner.map((text) => ({
  text: `"${text}"`,
  stringBytes: Buffer.byteLength(text),
}))

const plain = (text: string): JsonText => ({ text, stringBytes: 0 })

export const numberText = fc
  .oneof(
    fc.constantFrom(
      '0',
      '-0',
      '1',
      '7',
      '1.0',
      '1e3',
      '1E+2',
      '12e-1',
      '-12.5E-2',
      '128',
      '129',
      '9007199254740993',
    ),
    fc.integer().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  )
  .map(plain)

const literal = fc.constantFrom('true', 'false', 'null').map(plain)

/** A key written plainly or with every letter escaped. */
function keyText(key: string): fc.Arbitrary<string> {
  const escaped = [...Buffer.from(key, 'utf16le').swap16().toString('hex').matchAll(/.{4}/g)]
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(JSON.stringify(key)) },
    { weight: 1, arbitrary: fc.constant(`"${escaped.map(([hex]) => `\\u${hex}`).join('')}"`) },
  )
}

export function memberText(
  key: fc.Arbitrary<string>,
  value: fc.Arbitrary<JsonText>,
): fc.Arbitrary<MemberText> {
  return key.chain((name) =>
    fc.record({
      key: fc.constant(name),
      keyText: keyText(name),
      value,
      blanks: fc.tuple(blank, blank, blank, blank),
    }),
  )
}

/** The member without the blanks around it. */
export function tight({ keyText, value, blanks }: MemberText): string {
  return `${keyText}${blanks[1]}:${blanks[2]}${value.text}`
}

export function objectText(members: readonly MemberText[], prefix = ''): string {
  return `{${prefix}${members.map((member) => member.blanks[0] + tight(member) + member.blanks[3]).join(',')}}`
}

const sum = (values: readonly JsonText[]): number =>
  values.reduce((bytes, value) => bytes + value.stringBytes, 0)

/** Any JSON value. */
export const jsonText: fc.Arbitrary<JsonText> = fc.letrec<{ value: JsonText }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    literal,
    numberText,
    stringText,
    fc.array(fc.tuple(blank, tie('value'), blank), { maxLength: 4 }).map((items) => ({
      text: `[${items.map(([before, value, after]) => before + value.text + after).join(',')}]`,
      stringBytes: sum(items.map(([, value]) => value)),
    })),
    fc
      .array(memberText(fc.constantFrom('a', 'content', 'model', 'stream', 'é"\\', ''), tie('value')), {
        maxLength: 4,
      })
      .map((members) => ({
        text: objectText(members),
        stringBytes: sum(members.map(({ value }) => value)),
      })),
  ),
})).value
