import type { Token } from './language.js'
import type { Flavour } from './options.js'
import type { Endpoint } from './prompt.js'

export type FinishReason = 'stop' | 'length'

/** JSON text with the number of its UTF-8 bytes beyond its length. */
export interface Piece {
  readonly text: string
  readonly extraBytes: number
}

/** How one flavour writes one endpoint: the fragments around what changes from token to token. */
interface Dialect {
  readonly idPrefix: string
  readonly chunkObject: string
  readonly replyObject: string
  /** Between `model` and `choices`. */
  readonly extraMembers: string
  /** From the choice's brace to the start of the text. */
  readonly chunkOpen: (index: number) => string
  readonly chunkClose: string
  /** The choice's end when its last token carries the finish reason; null: a frame of its own does. */
  readonly chunkFinish: ((reason: FinishReason) => string) | null
  /** A frame's choice without text: the role at the start, the finish reason at the end. */
  readonly roleChoice: ((index: number) => string) | null
  readonly finishChoice: (index: number, reason: FinishReason) => string
  readonly replyOpen: (index: number) => string
  readonly replyClose: (reason: FinishReason) => string
  /** Written where a frame has no usage. */
  readonly noUsage: string
  readonly usageTail: string
}

function dialect(flavour: Flavour, endpoint: Endpoint): Dialect {
  const chat = endpoint === 'chat'
  const base = {
    idPrefix: chat ? 'chatcmpl-' : 'cmpl-',
    chunkObject: chat ? 'chat.completion.chunk' : 'text_completion',
    replyObject: chat ? 'chat.completion' : 'text_completion',
    extraMembers: '',
  }
  const textOpen = (index: number): string => `{"index":${index},"text":"`
  const messageOpen = (index: number): string => `{"index":${index},"message":{"role":"assistant","content":"`
  switch (flavour) {
    case 'vllm': {
      // Chat frames leave out what is unset, completion frames write nulls: as vLLM's serialisers do.
      if (chat) {
        const delta = (index: number): string => `{"index":${index},"delta":{"content":"`
        const finish = (reason: FinishReason): string =>
          `"},"logprobs":null,"finish_reason":"${reason}","stop_reason":null}`
        return {
          ...base,
          chunkOpen: delta,
          chunkClose: '"},"logprobs":null,"finish_reason":null}',
          chunkFinish: finish,
          roleChoice: (index) =>
            `{"index":${index},"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}`,
          finishChoice: (index, reason) => delta(index) + finish(reason),
          replyOpen: messageOpen,
          replyClose: (reason) =>
            `","refusal":null,"tool_calls":[]},"logprobs":null,"finish_reason":"${reason}","stop_reason":null}`,
          noUsage: '',
          usageTail: '}',
        }
      }
      const close = (reason: string): string =>
        `","logprobs":null,"finish_reason":${reason},"stop_reason":null,"prompt_token_ids":null,"token_ids":null}`
      return {
        ...base,
        chunkOpen: textOpen,
        chunkClose: close('null'),
        chunkFinish: (reason) => close(`"${reason}"`),
        roleChoice: null,
        finishChoice: (index, reason) => textOpen(index) + close(`"${reason}"`),
        replyOpen: textOpen,
        replyClose: (reason) => close(`"${reason}"`),
        noUsage: ',"usage":null',
        usageTail: ',"prompt_tokens_details":null}',
      }
    }
    case 'sglang': {
      const delta = (index: number, role: string, content: string): string =>
        `{"index":${index},"delta":{"role":${role},"content":${content}`
      const deltaClose = ',"reasoning_content":null,"tool_calls":null}'
      const finish = (reason: string, matched: string): string =>
        `,"logprobs":null,"finish_reason":${reason},"matched_stop":${matched}}`
      return {
        ...base,
        chunkOpen: chat ? (index) => delta(index, 'null', '"') : textOpen,
        chunkClose: `"${chat ? deltaClose : ''}${finish('null', 'null')}`,
        chunkFinish: null,
        roleChoice: chat
          ? (index) => delta(index, '"assistant"', '""') + deltaClose + finish('null', 'null')
          : null,
        finishChoice: (index, reason) =>
          (chat ? delta(index, 'null', 'null') + deltaClose : `${textOpen(index)}"`) +
          finish(`"${reason}"`, 'null'),
        replyOpen: chat ? messageOpen : textOpen,
        replyClose: (reason) =>
          `"${chat ? ',"reasoning_content":null,"tool_calls":null}' : ''}${finish(`"${reason}"`, 'null')}`,
        noUsage: ',"usage":null',
        usageTail: ',"prompt_tokens_details":null,"reasoning_tokens":0}',
      }
    }
    case 'plain': {
      const finish = (reason: string): string => `,"logprobs":null,"finish_reason":${reason}}`
      return {
        ...base,
        extraMembers: '"system_fingerprint":"fp_simulated",',
        chunkOpen: chat ? (index) => `{"index":${index},"delta":{"content":"` : textOpen,
        chunkClose: `"${chat ? '}' : ''}${finish('null')}`,
        chunkFinish: null,
        roleChoice: chat
          ? (index) => `{"index":${index},"delta":{"role":"assistant","content":""}${finish('null')}`
          : null,
        finishChoice: (index, reason) =>
          (chat ? `{"index":${index},"delta":{}` : `${textOpen(index)}"`) + finish(`"${reason}"`),
        replyOpen: chat ? messageOpen : textOpen,
        replyClose: (reason) => `"${chat ? '}' : ''}${finish(`"${reason}"`)}`,
        noUsage: '',
        usageTail: '}',
      }
    }
  }
}

/** Makes the JSON of one request's frames and of its plain reply by joining fragments, `usage` last. */
export interface FrameWriter {
  /** UTF-8 bytes beyond their length that each frame's fixed part has. */
  readonly extraBytes: number
  readonly hasRole: boolean
  /** A choice's last token carries its finish reason. */
  readonly finishInline: boolean
  role(index: number, usage: string): string
  token(index: number, token: Token, finish: FinishReason | null, usage: string): string
  finish(index: number, reason: FinishReason, usage: string): string
  /** The last frame of a stream that asked for usage: no choices. */
  usageFrame(usage: string): string
  reply(choices: readonly { readonly piece: Piece; readonly finish: FinishReason }[], usage: string): Piece
  /** `,"usage":{…}` with vLLM's order of members; `cachedTokens` 0 leaves the details out. */
  usage(promptTokens: number, completionTokens: number, cachedTokens: number): string
  readonly noUsage: string
}

const dialects = new Map<string, Dialect>()

/** `id` and `model` are escaped here, once a request; `createdAt` in Unix seconds. */
export function createFrameWriter(
  flavour: Flavour,
  endpoint: Endpoint,
  request: { readonly id: string; readonly model: string; readonly createdAt: number },
): FrameWriter {
  const key = `${flavour} ${endpoint}`
  const shape = dialects.get(key) ?? dialect(flavour, endpoint)
  dialects.set(key, shape)

  const model = JSON.stringify(request.model)
  const head = (object: string): string =>
    `{"id":${JSON.stringify(shape.idPrefix + request.id)},"object":"${object}","created":${request.createdAt},` +
    `"model":${model},${shape.extraMembers}"choices":[`
  const frameHead = head(shape.chunkObject)
  const extraBytes = Buffer.byteLength(frameHead) - frameHead.length
  const opens: string[] = []
  const open = (index: number): string => (opens[index] ??= frameHead + shape.chunkOpen(index))
  const inline = shape.chunkFinish

  return {
    extraBytes,
    hasRole: shape.roleChoice !== null,
    finishInline: inline !== null,
    noUsage: shape.noUsage,
    role: (index, usage) => `${frameHead}${shape.roleChoice?.(index) ?? ''}]${usage}}`,
    token: (index, token, finish, usage) =>
      `${open(index)}${token.json}${finish === null || inline === null ? shape.chunkClose : inline(finish)}]${usage}}`,
    finish: (index, reason, usage) => `${frameHead}${shape.finishChoice(index, reason)}]${usage}}`,
    usageFrame: (usage) => `${frameHead}]${usage}}`,
    reply(choices, usage) {
      const parts = choices.map(
        ({ piece, finish }, index) => shape.replyOpen(index) + piece.text + shape.replyClose(finish),
      )
      const text = `${head(shape.replyObject)}${parts.join(',')}]${usage}}`
      return { text, extraBytes: choices.reduce((sum, { piece }) => sum + piece.extraBytes, extraBytes) }
    },
    usage(promptTokens, completionTokens, cachedTokens) {
      const counts =
        `,"usage":{"prompt_tokens":${promptTokens},"total_tokens":${promptTokens + completionTokens},` +
        `"completion_tokens":${completionTokens}`
      return cachedTokens > 0
        ? `${counts},"prompt_tokens_details":{"cached_tokens":${cachedTokens}}}`
        : counts + shape.usageTail
    },
  }
}
