import { z } from 'zod'

const Frame = z.looseObject({
  choices: z.array(
    z.looseObject({ delta: z.looseObject({ content: z.string().nullish() }).optional() }).optional(),
  ),
})

const PREFIX = 'data: '

/** What came of an event stream whose frames a proxy wrote anew. */
export interface ContentTally {
  push(bytes: Buffer): void
  /** Frames with text in them. */
  readonly tokens: number
  /** The stream ended with `data: [DONE]`. */
  readonly done: boolean
}

/**
 * Counts the frames that bring text, by parsing each one: proxies that write frames of their own add some without
 * text, so that counting frames would count more than the tokens. Not for a hot path.
 */
export function createContentTally(): ContentTally {
  const decoder = new TextDecoder()
  let rest = ''
  let tokens = 0
  let done = false
  const take = (frame: string): void => {
    if (!frame.startsWith(PREFIX)) return
    const value = frame.slice(PREFIX.length).trim()
    done = value === '[DONE]'
    if (!done && hasText(value)) tokens += 1
  }
  return {
    push(bytes) {
      rest += decoder.decode(bytes, { stream: true }).replaceAll('\r', '')
      const frames = rest.split('\n\n')
      rest = frames.pop() ?? ''
      frames.forEach(take)
    },
    get tokens() {
      return tokens
    },
    get done() {
      return done && rest === ''
    },
  }
}

function hasText(json: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return false
  }
  const frame = Frame.safeParse(value)
  return frame.success && (frame.data.choices[0]?.delta?.content ?? '') !== ''
}
