import fc from 'fast-check'

/** Streams as inference engines write them, with the knowledge of what is to be left of each frame. */
export interface FrameText {
  /** As the node sends it, its blank line included. */
  readonly sent: string
  /** What is left of it in each mode. */
  readonly cut: string
  readonly final: string
  readonly untouched: string
  /** Whether the stream is over after it. */
  readonly ends: boolean
}

export interface StreamText {
  readonly text: string
  readonly frames: readonly FrameText[]
  readonly choices: number
  /** Whether the last frame has its blank line. */
  readonly closed: boolean
}

export interface StreamStyle {
  readonly choices?: number
  /** `spaced`: as Python's json.dumps writes. */
  readonly style?: 'compact' | 'spaced'
  readonly newline?: '\n' | '\r\n'
  readonly prefix?: 'data: ' | 'data:'
  /** Lines before and behind the data. */
  readonly event?: string
  readonly id?: string
  readonly closed?: boolean
}

type Style = Required<Pick<StreamStyle, 'style' | 'newline' | 'prefix' | 'event' | 'id'>>
export type Frame = (style: Style) => FrameText

/** JSON in the stream's style; what stands inside strings is left alone. */
function write(value: unknown, style: Style['style']): string {
  if (style === 'compact') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item) => write(item, style)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}: ${write(item, style)}`).join(', ')}}`
}

function framed(payload: string, { newline, prefix, event, id }: Style): string {
  const lines = [event, prefix + payload, id].filter((line) => line !== '')
  return lines.join(newline) + newline + newline
}

export interface ChunkShape {
  readonly index?: number
  readonly delta?: Record<string, unknown>
  /** Of a text completion, in the place of `delta`. */
  readonly text?: string
  readonly finish?: string | null
  /** No choices at all. */
  readonly empty?: boolean
  readonly usage?: unknown
  /** Where the usage member stands. */
  readonly at?: 'first' | 'middle' | 'last'
}

export function chunk({
  index = 0,
  delta,
  text,
  finish = null,
  empty,
  usage,
  at = 'last',
}: ChunkShape): Frame {
  return (style) => {
    const object = text === undefined ? 'chat.completion.chunk' : 'text_completion'
    const choice = {
      index,
      ...(text === undefined ? { delta: delta ?? {} } : { text }),
      finish_reason: finish,
    }
    const others: [string, unknown][] = [
      ['id', 'cmpl-1'],
      ['object', object],
      ['choices', empty === true ? [] : [choice]],
    ]
    const [comma, colon] = style.style === 'compact' ? [',', ':'] : [', ', ': ']
    const members = others.map(([key, value]) => `"${key}"${colon}${write(value, style.style)}`)
    if (usage === undefined) {
      const sent = framed(`{${members.join(comma)}}`, style)
      return { sent, cut: sent, final: sent, untouched: sent, ends: false }
    }
    const place = { first: 0, middle: 1, last: members.length }[at]
    const member = `"usage"${colon}${write(usage, style.style)}`
    const sent = framed(`{${members.toSpliced(place, 0, member).join(comma)}}`, style)
    if (empty === true && usage !== null) return { sent, cut: '', final: sent, untouched: sent, ends: false }
    // The comma goes with it: the one before, or at the start of the object the one behind.
    const gone = place === 0 ? `${member},` : comma + member
    const left = sent.replace(gone, '')
    return { sent, cut: left, final: left, untouched: sent, ends: false }
  }
}

export function comment(text: string): Frame {
  return ({ newline }) => {
    const sent = `: ${text}${newline}${newline}`
    return { sent, cut: sent, final: sent, untouched: sent, ends: false }
  }
}

export function errorFrame(error: unknown): Frame {
  return (style) => {
    const sent = framed(write(error, style.style), style)
    return { sent, cut: sent, final: sent, untouched: sent, ends: true }
  }
}

export function done(): Frame {
  return (style) => {
    const sent = framed('[DONE]', { ...style, event: '', id: '' })
    return { sent, cut: sent, final: sent, untouched: sent, ends: true }
  }
}

export function joined(frames: readonly Frame[], options: StreamStyle = {}): StreamText {
  const { choices = 1, style = 'compact', newline = '\n', prefix = 'data: ', event = '', id = '' } = options
  const { closed = true } = options
  const written = frames.map((frame) => frame({ style, newline, prefix, event, id }))
  const last = written.at(-1)
  if (!closed && last !== undefined) {
    const open = (text: string): string => text.replace(/[\r\n]+$/, '')
    // It is given a blank line, except where it has nothing to say.
    const left = (text: string): string => (/^data:/m.test(text) ? `${open(text)}\n\n` : '')
    written.splice(-1, 1, {
      ...last,
      sent: open(last.sent),
      cut: left(last.cut),
      final: left(last.final),
      untouched: left(last.sent) || open(last.sent),
    })
  }
  return { text: written.map(({ sent }) => sent).join(''), frames: written, choices, closed }
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.constantFrom(
    '',
    '"usage":',
    ',"usage":{"a":1}}',
    '[DONE]',
    '\n\ndata: [DONE]\n\n',
    '"finish_reason":"stop"',
    '😀',
  ),
)

const usage = fc.option(
  fc.record(
    {
      prompt_tokens: fc.nat({ max: 0xffff_ffff }),
      total_tokens: fc.nat(),
      completion_tokens: fc.nat({ max: 0xffff_ffff }),
      prompt_tokens_details: fc.option(fc.record({ cached_tokens: fc.nat() }), { nil: undefined }),
    },
    { noNullPrototype: true },
  ),
)

const delta = fc.oneof(
  fc.record({ content: text }, { noNullPrototype: true }),
  fc.record({ role: fc.constant('assistant'), content: fc.constant('') }, { noNullPrototype: true }),
  fc.record({ content: fc.constant(null), reasoning_content: text }, { noNullPrototype: true }),
  fc.constant({
    tool_calls: [
      { index: 0, function: { arguments: '{' } },
      { index: 1, function: { arguments: '}' } },
    ],
  }),
  fc.constant({}),
)

function frameOf(choices: number): fc.Arbitrary<Frame> {
  const index = fc.nat({ max: choices - 1 })
  const finish = fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant('stop') },
  )
  const at = fc.constantFrom('first' as const, 'middle' as const, 'last' as const, 'last' as const)
  const any = fc.record({ index, delta, finish, usage, at }).map(chunk)
  const withoutUsage = fc.record({ index, delta, finish }).map(chunk)
  const completion = fc.record({ index, text, finish, usage, at }).map(chunk)
  const empty = fc.record({ empty: fc.constant(true), usage, at }).map(chunk)
  const error = fc.constantFrom(
    errorFrame({ error: { message: 'no', type: 'x', param: null, code: 500 } }),
    errorFrame({ object: 'error', message: 'no', code: 400 }),
  )
  return fc.oneof(
    { weight: 6, arbitrary: any },
    { weight: 6, arbitrary: withoutUsage },
    { weight: 3, arbitrary: completion },
    { weight: 2, arbitrary: empty },
    { weight: 1, arbitrary: fc.constantFrom('', 'ping').map(comment) },
    { weight: 1, arbitrary: fc.oneof(error, fc.constant(done())) },
  )
}

/** Any stream: some succeed, some fail, some just stop. */
export const streams: fc.Arbitrary<StreamText> = fc.integer({ min: 1, max: 3 }).chain((choices) =>
  fc
    .record({
      frames: fc.array(frameOf(choices), { maxLength: 10 }),
      tidy: fc.boolean(),
      style: fc.constantFrom('compact' as const, 'compact' as const, 'spaced' as const),
      newline: fc.constantFrom('\n' as const, '\n' as const, '\r\n' as const),
      prefix: fc.constantFrom('data: ' as const, 'data:' as const),
      event: fc.constantFrom('', '', 'event: message', ': note'),
      id: fc.constantFrom('', '', 'id: 1'),
      closed: fc.boolean(),
    })
    .map(({ frames, tidy, ...style }) => {
      const stops = Array.from({ length: choices }, (_, index) => chunk({ index, finish: 'stop' }))
      return joined(tidy ? [...frames, ...stops, done()] : frames, { choices, ...style })
    }),
)
