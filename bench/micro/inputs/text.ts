import { appendToken, hashText, nextToken } from '../../nodes/language.js'
import { seededRandom } from '../../nodes/random.js'

/** Text of the simulated model from about so many UTF-16 units, with its quotes, line breaks and foreign scripts. */
export function sampleText(seed: number, units: number): string {
  const parts: string[] = []
  let hash = hashText(0, String(seed))
  for (let length = 0; length < units;) {
    const token = nextToken(hash, seed, 0)
    hash = appendToken(hash, token)
    parts.push(token.text)
    length += token.text.length
  }
  return parts.join('')
}

/** Bytes as random as those of a compressed image. */
export function sampleBytes(seed: number, length: number): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at += 1) bytes[at] = random() * 256
  return bytes
}

/** A UUID. */
export function sampleId(seed: number): string {
  const hex = sampleBytes(seed, 16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}
