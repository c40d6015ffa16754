import { hashText } from './language.js'
import type { Prompt } from './prompt.js'

/** Characters of a block: about 16 tokens, vLLM's block size. */
const BLOCK_CHARS = 64
const BLOCK_TOKENS = 16
const MAX_BLOCKS = 1_000_000

export interface PrefixCache {
  /** How many of the prompt's tokens are known; remembers the prompt. */
  lookUp(prompt: Prompt): number
}

/** Remembers prompts as hashes of their prefixes at block borders. As in vLLM, never a whole prompt is cached. */
export function createPrefixCache(): PrefixCache {
  const blocks = new Set<number>()
  return {
    lookUp({ text, tokens }) {
      let hash = 0
      let known = 0
      let unbroken = true
      for (let end = BLOCK_CHARS; end <= text.length; end += BLOCK_CHARS) {
        hash = hashText(hash, text.slice(end - BLOCK_CHARS, end))
        unbroken &&= blocks.has(hash)
        if (unbroken) known += BLOCK_TOKENS
        else blocks.add(hash)
      }
      if (blocks.size > MAX_BLOCKS) blocks.clear()
      const most = Math.floor((tokens - 1) / BLOCK_TOKENS) * BLOCK_TOKENS
      return Math.min(known, Math.max(0, most))
    },
  }
}
