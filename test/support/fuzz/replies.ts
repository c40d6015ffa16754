import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { ERRORS } from '../../../src/core/errors.js'
import type { FuzzRequest } from './requests.js'

export interface FuzzReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const ErrorBody = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
  }),
})

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/
/** Words of what is inside: statements, stores, hosts, files, stacks. */
const INSIDE =
  /\b(select|insert into|delete from|postgres\w*|clickhouse|redis|sqlstate|violates|constraint|econn\w+|zod\w*|localhost)\b|127\.0\.0\.1|node_modules|\.[jt]s:\d|\n\s+at /i
/** Errors that always say which part of the request is at fault. */
const NAMING = new Set(['unknown_parameter', 'not_supported', 'precondition_failed', 'already_exists'])

const PARSE: Readonly<Record<string, (text: string) => unknown>> = {
  'application/json': (text) => JSON.parse(text) as unknown,
  'application/yaml': (text) => parseYaml(text) as unknown,
}

/** What is wrong with a reply; null: nothing. */
export function wrongWith(request: FuzzRequest, reply: FuzzReply): string | null {
  const { operation, method, suffix } = request
  if (reply.status >= 500) return `a ${reply.status}`
  if (!UUID.test(String(reply.headers['x-request-id']))) return 'no x-request-id'
  // A HEAD is answered as a GET without its body.
  if (method === 'HEAD') return null
  const type = String(reply.headers['content-type']).split(';')[0] ?? ''
  if (reply.status >= 400) {
    const problem = wrongWithError(reply)
    if (problem !== null) return problem
  }
  if (method !== operation.method || suffix !== '') {
    const expected = reply.status < 300 || [400, 401, 403, 404, 405, 409, 412, 413].includes(reply.status)
    return expected ? null : 'an unexpected status for a request beside the document'
  }
  const declared = operation.replies[reply.status]
  if (declared === undefined) return `the status ${reply.status}, which the document does not have`
  for (const name of declared.headers) {
    if (reply.headers[name] === undefined) return `no ${name} header`
  }
  const check = declared.check[type]
  if (check === undefined) return `the content type ${type}, which the document does not have`
  const problem = check(PARSE[type]?.(reply.text) ?? reply.text)
  return problem === null ? null : `a body that is not as documented: ${problem}`
}

function wrongWithError({ status, headers, text }: FuzzReply): string | null {
  const parsed = ErrorBody.safeParse(JSON.parse(text))
  if (!parsed.success) return 'an error that has not the wire shape'
  const { code, type, message, param } = parsed.data.error
  const spec = Object.entries(ERRORS).find(([name]) => name === code)?.[1]
  if (spec?.status !== status || spec.type !== type)
    return `${code} with the status ${status} and type ${type}`
  if (INSIDE.test(message)) return 'an error that tells what is inside'
  if (NAMING.has(code) && param === null) return `${code} without a param`
  if (status === 405 && headers['allow'] === undefined) return 'a 405 without allow'
  return null
}
