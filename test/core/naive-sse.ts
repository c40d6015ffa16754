/** What a stream says, read the simple way: split by blank line, every frame parsed. */
export interface SseCounts {
  promptTokens: number
  cachedTokens: number
  completionTokens: number
  reported: boolean
  deltas: number
  complete: boolean
  broken: boolean
  errorFrame: string | null
  finished: boolean
}

interface Usage {
  prompt_tokens: number
  completion_tokens: number
  prompt_tokens_details?: { cached_tokens: number }
}

interface Choice {
  index: number
  text?: string
  delta?: Record<string, unknown>
  finish_reason: string | null
}

interface Chunk {
  object?: string
  error?: unknown
  choices?: Choice[]
  usage?: Usage | null
}

function hasText({ text, delta = {} }: Choice): boolean {
  const { content, reasoning_content: reasoning, tool_calls: tools } = delta
  return (
    [text, content, reasoning].some((value) => typeof value === 'string' && value !== '') ||
    tools !== undefined
  )
}

export function readSse(text: string, choices: number): SseCounts {
  const counts: SseCounts = {
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    reported: false,
    deltas: 0,
    complete: false,
    broken: false,
    errorFrame: null,
    finished: false,
  }
  const finished = new Set<number>()
  const byChoice = new Map<number, number>()
  for (const frame of text.split(/\r?\n\r?\n/)) {
    const line = frame.split(/\r?\n/).find((each) => each.startsWith('data:'))
    if (line === undefined) continue
    const payload = line.slice('data:'.length).trim()
    if (payload === '[DONE]') {
      counts.complete = counts.finished
      counts.broken = !counts.finished
      break
    }
    const chunk = JSON.parse(payload) as Chunk
    if (chunk.object === 'error' || chunk.error !== undefined) {
      counts.errorFrame = payload
      break
    }
    const list = chunk.choices ?? []
    if (chunk.usage !== undefined && chunk.usage !== null) {
      counts.reported = true
      counts.promptTokens = chunk.usage.prompt_tokens
      counts.cachedTokens = Math.max(
        counts.cachedTokens,
        chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
      )
      const [first] = list
      if (first === undefined || choices === 1) counts.completionTokens = chunk.usage.completion_tokens
      else {
        byChoice.set(first.index, chunk.usage.completion_tokens)
        counts.completionTokens = [...byChoice.values()].reduce((sum, tokens) => sum + tokens, 0)
      }
    }
    if (!counts.reported && list.some(hasText)) counts.deltas++
    for (const { index, finish_reason: reason } of list) if (reason !== null) finished.add(index)
    counts.finished = finished.size >= choices
  }
  return counts
}
