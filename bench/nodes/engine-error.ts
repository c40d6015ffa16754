import type { Flavour } from './options.js'

const NAMES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  404: 'NotFoundError',
  405: 'MethodNotAllowedError',
  413: 'RequestEntityTooLargeError',
  429: 'RateLimitError',
  500: 'InternalServerError',
  503: 'ServiceUnavailableError',
}

/** A refusal that becomes a reply in the engine's own error shape. */
export class EngineError extends Error {
  readonly status: number
  readonly param: string | null
  readonly code: string | undefined

  /** `code` is what OpenAI calls it; vLLM and SGLang send the status as an integer instead. */
  constructor(status: number, message: string, param: string | null = null, code?: string) {
    super(message)
    this.status = status
    this.param = param
    this.code = code
  }
}

/** The JSON body of an error: vLLM's with an integer code, SGLang's flat, OpenAI's with a word. */
export function errorBody(flavour: Flavour, error: EngineError): string {
  const { status, message, param } = error
  const type = NAMES[status] ?? 'InternalServerError'
  switch (flavour) {
    case 'vllm':
      // vLLM's own middleware answers a wrong key with a bare string.
      if (status === 401) return '{"error":"Unauthorized"}'
      return JSON.stringify({ error: { message, type, param, code: status } })
    case 'sglang':
      return JSON.stringify({ object: 'error', message, type, param, code: status })
    case 'plain': {
      const openAiType = status < 500 ? 'invalid_request_error' : 'server_error'
      return JSON.stringify({ error: { message, type: openAiType, param, code: error.code ?? null } })
    }
  }
}
