import type { TokenCounts } from './usage-record.js'

type Json = Record<string, unknown>

/** Members by which a client tells streams apart: those of the first node stay. */
const IDENTITY = ['id', 'created', 'model', 'system_fingerprint', 'service_tier'] as const
const DATA = 'data:'

/**
 * Makes the frames of a node that goes on with an answer look like those of the node that began it: one id, one
 * role, one usage. Its frames are parsed and written anew; that costs a few microseconds, after a seam alone.
 */
export class SeamRewriter {
  readonly #identity: Json
  readonly #usage: (own: TokenCounts) => TokenCounts

  /**
   * @param firstFrame JSON of the answer's first frame
   * @param usage of the whole answer, given what this node reports of its part
   */
  constructor(firstFrame: string, usage: (own: TokenCounts) => TokenCounts) {
    this.#identity = identityOf(firstFrame)
    this.#usage = usage
  }

  /** @param frames whole ones, as the tap lets them through */
  rewrite(frames: Buffer): Buffer {
    if (frames.length === 0) return frames
    let out = ''
    for (const frame of frames.toString().split(/(?<=\r?\n\r?\n)/)) out += this.#frame(frame)
    return Buffer.from(out)
  }

  /** The last frames of an answer whose node failed when there was nothing left to make. */
  finish(chat: boolean, reason: 'length' | 'stop' | null, usage: TokenCounts | null): Buffer {
    const frames: Json[] = []
    if (reason !== null) {
      const part = chat ? { delta: {} } : { text: '' }
      frames.push({ ...this.#identity, choices: [{ index: 0, ...part, finish_reason: reason }] })
    }
    if (usage !== null) frames.push({ ...this.#identity, choices: [], usage: shownUsage(usage, {}) })
    return Buffer.from(
      `${frames.map((frame) => `${DATA} ${JSON.stringify(frame)}\n\n`).join('')}${DATA} [DONE]\n\n`,
    )
  }

  #frame(frame: string): string {
    const start = frame.startsWith(DATA) ? frame.indexOf('{') : -1
    // Comments, and [DONE].
    if (start < 0 || frame.slice(DATA.length, start).trim() !== '') return frame
    const json = parsed(frame.slice(start))
    // Whether a frame is JSON is the client's to find out, here as everywhere.
    if (json === null) return frame
    if (isObject(json['usage'])) {
      const own = countsOf(json['usage'])
      json['usage'] = shownUsage(this.#usage(own), json['usage'])
    }
    const choices = Array.isArray(json['choices']) ? (json['choices'] as unknown[]) : []
    const goesOn =
      choices.length === 0 || choices.map((choice) => isObject(choice) && withoutRole(choice)).includes(true)
    return goesOn ? `${DATA} ${JSON.stringify({ ...json, ...this.#identity })}\n\n` : ''
  }
}

function parsed(text: string): Json | null {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Takes the role out of a choice; returns whether something is left that the client has not had. */
function withoutRole(choice: Json): boolean {
  const { delta } = choice
  if (!isObject(delta) || delta['role'] === undefined) return true
  delete delta['role']
  if (typeof choice['finish_reason'] === 'string') return true
  return Object.values(delta).some((value) => value !== null && value !== '')
}

function identityOf(firstFrame: string): Json {
  const json: unknown = JSON.parse(firstFrame)
  if (!isObject(json)) throw new TypeError('The first frame of an answer is not an object.')
  const known: Json = json['object'] === undefined ? {} : { object: json['object'] }
  for (const name of IDENTITY) if (json[name] !== undefined) known[name] = json[name]
  return known
}

function countsOf(usage: Json): TokenCounts {
  const details = usage['prompt_tokens_details']
  const cached = isObject(details) ? details['cached_tokens'] : 0
  const count = (value: unknown) => (typeof value === 'number' ? value : 0)
  return {
    promptTokens: count(usage['prompt_tokens']),
    cachedTokens: count(cached),
    completionTokens: count(usage['completion_tokens']),
  }
}

/** Usage as clients read it; other members of the node's own stay. */
function shownUsage({ promptTokens, cachedTokens, completionTokens }: TokenCounts, own: Json): Json {
  const details = isObject(own['prompt_tokens_details'])
    ? { prompt_tokens_details: { ...own['prompt_tokens_details'], cached_tokens: cachedTokens } }
    : {}
  return {
    ...own,
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    ...details,
  }
}
