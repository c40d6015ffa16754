import { prefixHashes } from '../../src/core/prompt-prefix.js'
import type { PolicyRequest } from '../../src/core/policies/policy.js'
import { exponential, MEAN_OUTPUT_TOKENS } from './bursts.js'
import { BLOCK_TOKENS, TOKEN_BYTES, type NodeRequest, type NodeTraits } from './node.js'

const TENANTS = 16
/** Of a tenant; which one a conversation begins with is drawn with falling odds, as the tenants are. */
const SYSTEM_PROMPTS = 3
const MEAN_SYSTEM_TOKENS = 800
const MEAN_USER_TOKENS = 80
const MEAN_TURNS = 6
const MEAN_THINKING_MS = 10_000
/** What opens a message; together with it at least so many tokens. */
const OPENING_SYSTEM = '[{"role":"system","content":"'
const OPENING_USER = '"},{"role":"user","content":"'
const OPENING_ASSISTANT = '"},{"role":"assistant","content":"'
const ROLE_TOKENS = 9
const BLOCK_BYTES = BLOCK_TOKENS * TOKEN_BYTES

/** One turn: the whole conversation so far is its prompt. */
export interface Turn extends NodeRequest, PolicyRequest {
  /** From the end of the turn before, or from the beginning of the trace. */
  readonly afterMs: number
}
export type Conversation = readonly Turn[]

interface SystemPrompt {
  readonly tenant: string
  readonly bytes: Buffer
  readonly blocks: readonly number[]
}

/** Conversations of several tenants that begin with shared system prompts, at a rate that fills so much of the slots. */
export function drawConversations(
  fleet: readonly NodeTraits[],
  durationMs: number,
  utilisation: number,
  random: () => number,
): Conversation[] {
  let nextBlock = 0
  const newBlocks = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, () => nextBlock++)
  const systems = Array.from({ length: TENANTS * SYSTEM_PROMPTS }, (_, index): SystemPrompt => {
    const bytes = text(200 + exponential(MEAN_SYSTEM_TOKENS - 200, random), random)
    bytes.write(OPENING_SYSTEM)
    const tenant = `tenant-${index % TENANTS}`
    return { tenant, bytes, blocks: newBlocks(0, Math.floor(bytes.length / BLOCK_BYTES)) }
  })
  const perMs =
    utilisation * fleet.reduce((sum, { slots, tokenMs }) => sum + slots / (tokenMs * MEAN_OUTPUT_TOKENS), 0)
  const conversations: Conversation[] = []
  for (let atMs = 0; ;) {
    atMs += exponential(MEAN_TURNS / perMs, random)
    if (atMs >= durationMs) return conversations
    // Squared: the first tenth is drawn by a third.
    const system = systems[Math.floor(random() ** 2 * systems.length)]
    if (system !== undefined) conversations.push(drawConversation(system, atMs, newBlocks, random))
  }
}

function drawConversation(
  { tenant, bytes: systemBytes, blocks: systemBlocks }: SystemPrompt,
  startsAtMs: number,
  newBlocks: (from: number, to: number) => number[],
  random: () => number,
): Conversation {
  const lengths: { promptEnd: number; outputTokens: number; afterMs: number }[] = []
  let length = systemBytes.length
  do {
    const promptEnd = length + TOKEN_BYTES * (ROLE_TOKENS + Math.ceil(exponential(MEAN_USER_TOKENS, random)))
    const outputTokens = ROLE_TOKENS + Math.ceil(exponential(MEAN_OUTPUT_TOKENS, random))
    const afterMs = lengths.length === 0 ? startsAtMs : exponential(MEAN_THINKING_MS, random)
    lengths.push({ promptEnd, outputTokens, afterMs })
    length = promptEnd + outputTokens * TOKEN_BYTES
  } while (random() > 1 / MEAN_TURNS)
  const bytes = Buffer.concat([systemBytes, text((length - systemBytes.length) / TOKEN_BYTES, random)])
  let roleAt = systemBytes.length
  for (const { promptEnd, outputTokens } of lengths) {
    bytes.write(OPENING_USER, roleAt)
    bytes.write(OPENING_ASSISTANT, promptEnd)
    roleAt = promptEnd + outputTokens * TOKEN_BYTES
  }
  const blocks = [...systemBlocks, ...newBlocks(systemBlocks.length, Math.floor(length / BLOCK_BYTES))]
  return lengths.map(({ promptEnd, outputTokens, afterMs }): Turn => {
    const after = promptEnd + outputTokens * TOKEN_BYTES
    return {
      afterMs,
      blocks: blocks.slice(0, Math.floor(promptEnd / BLOCK_BYTES)),
      blocksAfter: blocks.slice(0, Math.floor(after / BLOCK_BYTES)),
      promptTokens: promptEnd / TOKEN_BYTES,
      outputTokens,
      prefix: () => prefixHashes(bytes, 0, promptEnd, tenant),
    }
  })
}

/** Letters for so many tokens. */
function text(tokens: number, random: () => number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.ceil(tokens) * TOKEN_BYTES)
  for (let at = 0; at < bytes.length; at++) bytes[at] = 0x61 + Math.floor(random() * 26)
  return bytes
}
