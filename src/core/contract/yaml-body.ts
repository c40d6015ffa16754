import {
  Composer,
  CST,
  type Document,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
  stringify,
} from 'yaml'
import { GatewayError } from '../errors.js'
import { pathText, refuseProto } from './validate.js'

/** Deepest nesting of collections in a YAML body, as in a JSON one. */
const MAX_DEPTH = 32

/**
 * Most tokens of a body. A document of a mebibyte in lines of 30 characters has 270,000 of them; a million that are all
 * wrong would keep a thread busy for many seconds.
 */
const MAX_TOKENS = 400_000

/** What of YAML a body may not use: references make a short text stand for a long one, tags name types. */
const REFUSED: ReadonlyMap<CST.TokenType, string> = new Map<CST.TokenType, string>([
  ['anchor', 'an anchor'],
  ['alias', 'an alias'],
  ['tag', 'a tag'],
  ['directive-line', 'a directive'],
])

/**
 * The mapping that a body's one YAML 1.2 document is (JSON is YAML, too); an empty body is the empty object.
 * @throws GatewayError invalid_json, with the line, for anything else, more than 32 levels of nesting, anchors, aliases,
 *   tags, directives and keys that are no text; invalid_parameter for a key that stands twice; unknown_parameter for a
 *   key `__proto__`
 */
export function parseYamlBody(bytes: Uint8Array): object {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refused('it is not UTF-8')
  }
  const lines = new LineCounter()
  const contents = compose(text, lines)?.contents ?? null
  if (contents === null || (isScalar(contents) && contents.source === '')) return {}
  if (!isMap(contents)) throw refused('it must be a mapping')
  const value = valueOf(contents, [], lines)
  if (typeof value !== 'object' || value === null) throw refused('it must be a mapping')
  refuseProto(value)
  return value
}

/** A value as YAML that reads the same by version 1.1 and 1.2, and in which every difference is a line. */
export function yamlText(value: unknown): string {
  return stringify(value, {
    aliasDuplicateObjects: false,
    compat: 'yaml-1.1',
    lineWidth: 0,
    indentSeq: false,
    blockQuote: false,
    singleQuote: false,
  })
}

/** Its document, or null where it has none. Depth and what is refused are judged before anything recurses. */
function compose(text: string, lines: LineCounter): Document.Parsed | null {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  const tokens: CST.Token[] = []
  let count = 0
  // What follows the token of a scalar is its text, whatever it looks like.
  let inScalar = false
  for (const lexeme of new Lexer().lex(text)) {
    const type: CST.TokenType | null = inScalar ? null : CST.tokenType(lexeme)
    inScalar = type === 'scalar'
    const part = type === null ? undefined : REFUSED.get(type)
    if (part !== undefined) throw refused(`${part} is not accepted`, parser.offset, lines)
    if (++count > MAX_TOKENS) throw refused(`it has more than ${MAX_TOKENS} tokens`, parser.offset, lines)
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') throw refused(token.message, token.offset, lines)
      tokens.push(token)
    }
    // The document and what is being read stand on the stack as well; valueOf counts exactly.
    if (parser.stack.length > MAX_DEPTH + 2) throw tooDeep(parser.offset, lines)
  }
  tokens.push(...parser.end())

  // Whether a key stands twice is asked by valueOf: here it would take the square of their number.
  const documents = [...new Composer({ uniqueKeys: false }).compose(tokens)]
  const [document = null, another] = documents
  if (another !== undefined) throw refused('it holds more than one document', another.range[0], lines)
  const problem = document?.errors[0] ?? document?.warnings[0]
  if (problem !== undefined) throw refused(problem.message, problem.pos[0], lines)
  return document
}

function valueOf(node: ParsedNode | null, path: readonly PropertyKey[], lines: LineCounter): unknown {
  if (node === null) return null
  if (isScalar(node)) return node.value
  if (path.length >= MAX_DEPTH) throw tooDeep(node.range[0], lines)
  if (isSeq(node)) return node.items.map((item, index) => valueOf(item, [...path, index], lines))
  if (!isMap(node)) throw refused('an alias is not accepted', node.range[0], lines)
  const entries = new Map<string, unknown>()
  for (const { key, value } of node.items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      throw refused('a key is no text (quote it if it is meant as one)', key.range[0], lines)
    }
    const place = [...path, key.value]
    if (entries.has(key.value)) {
      const param = pathText(place)
      const { line } = lines.linePos(key.range[0])
      throw new GatewayError('invalid_parameter', {
        param,
        message: `'${param}' stands twice (line ${line}).`,
      })
    }
    entries.set(key.value, valueOf(value, place, lines))
  }
  return Object.fromEntries(entries)
}

function tooDeep(offset: number, lines: LineCounter): GatewayError {
  return refused(`it is nested more than ${MAX_DEPTH} deep`, offset, lines)
}

function refused(reason: string, offset?: number, lines?: LineCounter): GatewayError {
  const place = offset === undefined || lines === undefined ? '' : ` (line ${lines.linePos(offset).line})`
  return new GatewayError('invalid_json', {
    message: `The request body is not valid YAML: ${reason}${place}.`,
  })
}
