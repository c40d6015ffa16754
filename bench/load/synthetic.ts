import { seededRandom } from '../nodes/random.js'

/**
 * Synthetic prompts: words that are one token each in the vocabularies in use, and three letters each, so that with
 * their spaces a token is four bytes. Texts are slices of one corpus, so that making them costs next to nothing.
 */
const WORDS = (
  'the and for are but not you all any can had her was one our out day get has him his how man new now old see two ' +
  'way who boy did its let put say she too use sun sea air ice red box car dog cat cup top hot big low end men arm ' +
  'eye leg sky key map pen law art'
).split(' ')
const WORD_BYTES = 4
const CORPUS_WORDS = 65_536
/** Words at a text's start that say its number, so that no two texts share a prefix: 64 to their power. */
const NUMBER_WORDS = 4

export interface SyntheticText {
  /** A text of so many tokens; another number is another text from its first words on. */
  text(number: number, tokens: number): string
}

/** The same seed gives the same texts. */
export function createSyntheticText(seed: number): SyntheticText {
  const random = seededRandom(seed)
  const words = Array.from({ length: CORPUS_WORDS }, () => WORDS[Math.floor(random() * WORDS.length)] ?? '')
  const corpus = `${words.join(' ')} `
  const shift = Math.floor(random() * WORDS.length ** NUMBER_WORDS)

  const slice = (from: number, count: number): string => {
    let text = ''
    let at = from
    for (let left = count; left > 0;) {
      const take = Math.min(left, CORPUS_WORDS - at)
      text += corpus.slice(at * WORD_BYTES, (at + take) * WORD_BYTES)
      left -= take
      at = 0
    }
    return text
  }

  return {
    text(number, tokens) {
      let rest = (number + shift) % WORDS.length ** NUMBER_WORDS
      let head = ''
      for (let place = 0; place < Math.min(NUMBER_WORDS, tokens); place += 1) {
        head += `${WORDS[rest % WORDS.length] ?? ''} `
        rest = Math.floor(rest / WORDS.length)
      }
      const from = Math.imul(number + 1, 0x9e3779b1) >>> 16
      return (head + slice(from, Math.max(0, tokens - NUMBER_WORDS))).trimEnd()
    },
  }
}
