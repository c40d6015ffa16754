import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { skipValue } from '../../src/core/json-scan.js'
import { UsageError } from '../command.js'
import type { Endpoint } from './plan.js'

/** A request as a prompt file has it. */
export interface FilePrompt {
  /** Body fields: the prompt as the endpoint names it, and whatever else stood beside it. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Of the answer, where the file says or implies it. */
  readonly outputTokens: number | null
}

export interface PromptFile {
  readonly prompts: readonly FilePrompt[]
  /** ShareGPT conversations in which nobody asks anything; that data set has some. */
  readonly skipped: number
}

const Fields = z.record(z.string(), z.unknown())
const Conversation = z.object({
  conversations: z.array(z.object({ from: z.string(), value: z.string() })),
})
const OutputTokens = z.int().min(1)
const BYTES_PER_TOKEN = 4

/** What is wrong with an entry, in a few words. */
type Reason = string

/** One entry in the endpoint's terms; null: a conversation to skip. */
function readEntry(entry: unknown, endpoint: Endpoint): FilePrompt | Reason | null {
  const parsed = Fields.safeParse(entry)
  if (!parsed.success) return 'no JSON object'
  if (parsed.data['conversations'] !== undefined) return readConversation(parsed.data, endpoint)
  const { messages, prompt, input, max_tokens, max_completion_tokens, ...rest } = parsed.data
  const outputTokens = OutputTokens.safeParse(max_completion_tokens ?? max_tokens).data ?? null
  const fields = readPrompt({ messages, prompt, input }, endpoint)
  return typeof fields === 'string' ? fields : { fields: { ...rest, ...fields }, outputTokens }
}

function readPrompt(
  { messages, prompt, input }: { messages: unknown; prompt: unknown; input: unknown },
  endpoint: Endpoint,
): Record<string, unknown> | Reason {
  switch (endpoint) {
    case 'chat':
      if (Array.isArray(messages) && messages.length > 0) return { messages }
      if (isText(prompt)) return { messages: [{ role: 'user', content: prompt }] }
      return 'neither messages nor a prompt'
    case 'completions':
      if (isText(prompt) || (Array.isArray(prompt) && prompt.length > 0)) return { prompt }
      return 'no prompt'
    case 'embeddings': {
      const text = input ?? prompt
      if (isText(text) || (Array.isArray(text) && text.length > 0)) return { input: text }
      return 'neither input nor a prompt'
    }
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** The first question, and an answer as long as the one that stands there. */
function readConversation(entry: Record<string, unknown>, endpoint: Endpoint): FilePrompt | Reason | null {
  const parsed = Conversation.safeParse(entry)
  if (!parsed.success) return 'conversations that are no list of {from, value}'
  const { conversations } = parsed.data
  const asked = conversations.findIndex(({ from, value }) => /^(human|user)$/.test(from) && value !== '')
  const prompt = conversations[asked]?.value
  if (prompt === undefined) return null
  const reply = conversations[asked + 1]?.value ?? ''
  const fields = readPrompt({ messages: undefined, prompt, input: undefined }, endpoint)
  if (typeof fields === 'string') return fields
  const tokens = Math.ceil(Buffer.byteLength(reply) / BYTES_PER_TOKEN)
  return { fields, outputTokens: tokens === 0 ? null : tokens }
}

/** Something that may be an entry, by the name that a person would look for. */
interface Candidate {
  readonly number: number
  readonly value: unknown
}

const NOT_JSON = Symbol('not JSON')

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return NOT_JSON
  }
}

/** Lines that are not empty, numbered from 1. */
function* lines(bytes: Buffer): Generator<Candidate> {
  let number = 0
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(0x0a, start)
    const end = found < 0 ? bytes.length : found
    number += 1
    const text = bytes.toString('utf8', start, end).trim()
    if (text !== '') yield { number, value: parse(text) }
    start = end + 1
  }
}

const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const NOT_SPACE = /[^\t\n\r ]/
const tally = { stringBytes: 0 }

function skipSpace(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length && !NOT_SPACE.test(String.fromCharCode(bytes[at] ?? 0))) at += 1
  return at
}

/**
 * The elements of a JSON array, numbered from 1, each parsed by itself: the ShareGPT data set is longer than a
 * string can be. @throws when the brackets do not match
 */
function* elements(bytes: Buffer, start: number): Generator<Candidate> {
  let at = skipSpace(bytes, start + 1)
  for (let number = 1; bytes[at] !== CLOSE_BRACKET; number += 1) {
    const end = skipValue(bytes, at, tally)
    yield { number, value: parse(bytes.toString('utf8', at, end)) }
    at = skipSpace(bytes, end)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
    else if (bytes[at] !== CLOSE_BRACKET) throw new Error(`no comma after entry ${number}`)
  }
}

/** `3, 7-9, 12` */
function ranges(numbers: readonly number[]): string {
  const parts: { from: number; to: number }[] = []
  for (const number of numbers) {
    const last = parts.at(-1)
    if (last?.to === number - 1) last.to = number
    else parts.push({ from: number, to: number })
  }
  return parts.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

/** Reads the content of a prompt file; `name` is for messages. @throws UsageError that names every bad line */
export function parsePrompts(bytes: Buffer, endpoint: Endpoint, name: string): PromptFile {
  const start = skipSpace(bytes, bytes.subarray(0, 3).equals(Buffer.from('\ufeff')) ? 3 : 0)
  const isArray = bytes[start] === OPEN_BRACKET
  const prompts: FilePrompt[] = []
  const bad = new Map<Reason, number[]>()
  let skipped = 0
  try {
    for (const { number, value } of isArray ? elements(bytes, start) : lines(bytes.subarray(start))) {
      const entry = value === NOT_JSON ? 'no valid JSON' : readEntry(value, endpoint)
      if (entry === null) skipped += 1
      else if (typeof entry !== 'string') prompts.push(entry)
      else if (bad.get(entry)?.push(number) === undefined) bad.set(entry, [number])
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new UsageError(`--prompts: ${name} is no JSON array: ${words}`, { cause: error })
  }
  if (bad.size > 0) {
    const word = isArray ? 'entry' : 'line'
    const found = [...bad].map(([reason, numbers]) => `${reason} in ${word} ${ranges(numbers)}`)
    throw new UsageError(`--prompts: ${name} has ${found.join('; ')}: mend or remove them`)
  }
  if (prompts.length === 0) throw new UsageError(`--prompts: ${name} holds no prompt`)
  return { prompts, skipped }
}

/** @throws UsageError when the file cannot be read, or as {@link parsePrompts} */
export async function readPrompts(path: string, endpoint: Endpoint): Promise<PromptFile> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UsageError(`--prompts: ${path} cannot be read (${code}): give the path of a readable file`)
  })
  return parsePrompts(bytes, endpoint, path)
}
