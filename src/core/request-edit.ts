import { scanObject } from './json-scan.js'
import type { RequestHead } from './request-head.js'

export interface RequestEdits {
  /** What the node calls the model. */
  readonly upstreamModel: string
  /** Ask the node for usage in the stream; `continuous` adds it to every frame. */
  readonly usage: 'none' | 'final' | 'continuous'
}

const OPEN = Buffer.from('{')
const COMMA = Buffer.from(',')
const CLOSE = Buffer.from('}')

/** The fields that have to go before the body may be forwarded; empty nearly always. */
export function fieldsToDrop(head: RequestHead, allowed: readonly string[]): readonly string[] {
  return head.droppedFields.length === 0
    ? head.droppedFields
    : head.droppedFields.filter((name) => !allowed.includes(name))
}

/**
 * The body that the node gets, as parts to be written in order: the client's own bytes with the model's name
 * and `stream_options` spliced in. Parts share memory with `body`. Fields to drop must be gone already, see
 * {@link dropFields}.
 */
export function editRequest(body: Buffer, head: RequestHead, edits: RequestEdits): Buffer[] {
  const splices: { start: number; end: number; text: string }[] = []
  if (edits.upstreamModel !== head.model) {
    splices.push({ start: head.modelStart, end: head.modelEnd, text: JSON.stringify(edits.upstreamModel) })
  }
  if (head.stream && edits.usage !== 'none') {
    const options: Record<string, unknown> = { ...head.streamOptions?.raw, include_usage: true }
    if (edits.usage === 'continuous') options['continuous_usage_stats'] = true
    const member = `"stream_options":${JSON.stringify(options)}`
    if (head.streamOptionsEnd > 0) {
      splices.push({ start: head.streamOptionsStart, end: head.streamOptionsEnd, text: member })
    } else {
      const afterBrace = body.indexOf(OPEN) + 1
      splices.push({ start: afterBrace, end: afterBrace, text: `${member},` })
    }
  }
  if (splices.length === 0) return [body]
  splices.sort((a, b) => a.start - b.start)
  const parts: Buffer[] = []
  let at = 0
  for (const splice of splices) {
    if (splice.start > at) parts.push(body.subarray(at, splice.start))
    parts.push(Buffer.from(splice.text))
    at = splice.end
  }
  if (at < body.length) parts.push(body.subarray(at))
  return parts
}

/** The body without the named top-level fields; read its head again before editing it. */
export function dropFields(body: Buffer, names: readonly string[]): Buffer {
  const kept: Buffer[] = []
  scanObject(body, (member) => {
    if (names.includes(member.key)) return
    kept.push(kept.length === 0 ? OPEN : COMMA, body.subarray(member.start, member.end))
  })
  return Buffer.concat([...(kept.length === 0 ? [OPEN] : kept), CLOSE])
}
