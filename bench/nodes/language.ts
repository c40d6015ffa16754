/**
 * The language of the simulated model. A token is a pure function of all the text before it (prompt and answer
 * so far, concatenated) and of the model's seed; so every node gives the same answer, and an answer that is cut
 * off and continued elsewhere, with what was already said appended to the prompt, goes on word for word.
 *
 * The text so far is kept as a polynomial rolling hash over UTF-16 units: appending a token is one multiply-add.
 */
export interface Token {
  readonly text: string
  /** The text as it stands inside a JSON string, without the quotes. */
  readonly json: string
  /** UTF-8 bytes of `json` beyond its length in UTF-16 units. */
  readonly extraBytes: number
  /** Hash of the text alone, and the base to the power of its length. */
  readonly hash: number
  readonly power: number
}

const BASE = 0x01000193
const EOS_SALT = 0x5bd1e995
const CHOICE_SALT = 0x9e3779b9

/** Goes on hashing: `hashText(hashText(0, a), b)` is `hashText(0, a + b)`. */
export function hashText(hash: number, text: string): number {
  let next = hash
  for (let at = 0; at < text.length; at += 1) next = (Math.imul(next, BASE) + text.charCodeAt(at)) | 0
  return next
}

const ONSETS = ['b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'st', 'tr']
const RHYMES = [
  'a',
  'ane',
  'ark',
  'e',
  'ell',
  'end',
  'i',
  'ill',
  'ine',
  'o',
  'old',
  'or',
  'ow',
  'u',
  'un',
  'ust',
]

/** What makes life hard for parsers of JSON, SSE and UTF-8. */
const AWKWARD = [
  ' naïve',
  ' Größe',
  ' 日本語',
  ' привет',
  ' 🙂',
  ' 👩‍🚀',
  ' "quoted"',
  ' back\\slash',
  '\n',
  '\n\n',
  '\ttab',
  ' "usage":',
  ' ,"usage":{"prompt_tokens":9,"total_tokens":99,"completion_tokens":90}}',
  ' data: [DONE]\n\n',
  ' }]}',
  ' \u2028\u0001',
]

function token(text: string): Token {
  let power = 1
  for (let units = text.length; units > 0; units -= 1) power = Math.imul(power, BASE)
  const json = JSON.stringify(text).slice(1, -1)
  const extraBytes = Buffer.byteLength(json) - json.length
  return { text, json, extraBytes, hash: hashText(0, text), power }
}

const WORDS = ONSETS.flatMap((onset) => RHYMES.map((rhyme) => token(` ${onset}${rhyme}`)))
/** 256 tokens: 240 words and 16 awkward ones. */
export const VOCABULARY: readonly Token[] = [...WORDS, ...AWKWARD.map(token)]
const FALLBACK = token(' the')
/** What ends an answer: a token without text. */
export const EMPTY_TOKEN = token('')

/** murmur3's finaliser: every bit of the input moves every bit of the output. */
function mix(hash: number): number {
  let mixed = hash
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** The token that follows the text with this hash; `choice` tells the answers of one prompt apart (`n > 1`). */
export function nextToken(textHash: number, modelSeed: number, choice: number): Token {
  const picked = mix((textHash ^ Math.imul(modelSeed, EOS_SALT)) + Math.imul(choice, CHOICE_SALT))
  return VOCABULARY[picked % VOCABULARY.length] ?? FALLBACK
}

/** Whether the answer ends after the text with this hash. As reproducible as the text itself. */
export function endsHere(textHash: number, modelSeed: number, choice: number, probability: number): boolean {
  if (probability <= 0) return false
  const picked = mix((textHash ^ Math.imul(modelSeed, CHOICE_SALT)) + Math.imul(choice + 1, EOS_SALT))
  return picked / 4_294_967_296 < probability
}

/** What a model says after the text with this hash: {@link EMPTY_TOKEN} where the answer ends by itself. */
export function tokenAfter(
  textHash: number,
  model: { readonly modelSeed: number; readonly eosProbability: number },
  choice: number,
): Token {
  const { modelSeed, eosProbability } = model
  if (endsHere(textHash, modelSeed, choice, eosProbability)) return EMPTY_TOKEN
  return nextToken(textHash, modelSeed, choice)
}

/** The hash of the text with the token appended. */
export function appendToken(textHash: number, appended: Token): number {
  return (Math.imul(textHash, appended.power) + appended.hash) | 0
}
