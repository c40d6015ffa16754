import { createFrameWriter } from '../../nodes/frames.js'
import { appendToken, hashText, nextToken } from '../../nodes/language.js'
import { sampleId } from './text.js'

/** Tokens of one answer. */
export const STREAM_TOKENS = 256

const DONE = 'data: [DONE]\n\n'

/**
 * The frames of a chat stream as vLLM writes it when it is asked for continuous usage: the role, each token (the last
 * one with its finish reason), the usage, `[DONE]`.
 */
export function vllmFrames(seed: number): string[] {
  const request = { id: sampleId(seed), model: 'llama-3.1-8b-instruct', createdAt: 1_760_000_000 }
  const writer = createFrameWriter('vllm', 'chat', request)
  const frame = (json: string): string => `data: ${json}\n\n`
  const promptTokens = 512
  const frames = [frame(writer.role(0, writer.usage(promptTokens, 0, 0)))]
  let hash = hashText(0, String(seed))
  for (let count = 1; count <= STREAM_TOKENS; count += 1) {
    const token = nextToken(hash, seed, 0)
    hash = appendToken(hash, token)
    const finish = count === STREAM_TOKENS ? 'length' : null
    frames.push(frame(writer.token(0, token, finish, writer.usage(promptTokens, count, 0))))
  }
  frames.push(frame(writer.usageFrame(writer.usage(promptTokens, STREAM_TOKENS, 0))), DONE)
  return frames
}

/** A part of a chunked body: `<size>CRLF<frame>CRLF`. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** Joined in groups, as they come when several frames share a read. */
export function reads(frames: readonly string[], framesPerRead: number): Buffer[] {
  const groups: Buffer[] = []
  for (let at = 0; at < frames.length; at += framesPerRead) {
    groups.push(Buffer.from(frames.slice(at, at + framesPerRead).join('')))
  }
  return groups
}
