import { Agent, request } from 'undici'
import { z } from 'zod'
import { UsageError } from '../command.js'
import { readError } from './answer-reader.js'
import type { LoadPlan } from './plan.js'
import { endpointUrl } from './request-maker.js'

const Models = z.object({ data: z.array(z.object({ id: z.string() })) })
const TIMEOUT_MS = 20_000
const SHOWN_MODELS = 10
/** There is no such thing here, or not for this method. */
const ABSENT = new Set([404, 405, 501])

interface Reply {
  readonly status: number
  readonly text: string
}

/**
 * Asks the server whether the plan can be carried out.
 * @returns the model to ask for: the plan's, else the only one that the server lists
 * @throws UsageError that says what to change
 */
export async function findModel(plan: LoadPlan): Promise<string> {
  await using agent = disposable(
    new Agent({
      connect: { rejectUnauthorized: !plan.insecure },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    }),
  )
  const send = (url: URL, body: object | null): Promise<Reply> => ask(plan, agent.agent, url, body)
  const reply = await send(new URL(`${plan.url}/models`), null)
  refuseKey(reply, plan)
  const models = reply.status === 200 ? modelsOf(reply.text) : null
  if (models !== null) return chooseModel(plan, models)
  if (reply.status !== 200 && !ABSENT.has(reply.status))
    throw new UsageError(
      `GET ${plan.url}/models is answered ${described(reply)}: wait until the server is ready, or correct --url`,
    )
  if (plan.model === null) throw new UsageError(`${plan.url} lists no models: name one with --model`)
  const small = await send(endpointUrl(plan), smallBody(plan, plan.model))
  refuseKey(small, plan)
  if (small.status !== 200)
    throw new UsageError(
      `a small request to ${endpointUrl(plan).href} is answered ${described(small)}: correct --url, --model or --endpoint`,
    )
  return plan.model
}

function disposable(agent: Agent): { agent: Agent } & AsyncDisposable {
  return { agent, [Symbol.asyncDispose]: () => agent.destroy() }
}

async function ask(plan: LoadPlan, dispatcher: Agent, url: URL, body: object | null): Promise<Reply> {
  const headers = {
    accept: 'application/json',
    ...(body !== null && { 'content-type': 'application/json' }),
    ...(plan.key !== null && { authorization: `Bearer ${plan.key}` }),
    ...Object.fromEntries(plan.headers),
  }
  try {
    const response = await request(url, {
      dispatcher,
      method: body === null ? 'GET' : 'POST',
      headers,
      body: body === null ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return { status: response.statusCode, text: await response.body.text() }
  } catch (error) {
    throw new UsageError(`${url.origin} cannot be reached (${causeOf(error)}): ${adviceFor(error, url)}`, {
      cause: error,
    })
  }
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}

function causeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `no answer within ${TIMEOUT_MS / 1000} s`
  return codeOf(error) ?? (error instanceof Error ? error.message : String(error))
}

function adviceFor(error: unknown, { protocol }: URL): string {
  const code = codeOf(error) ?? ''
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code))
    return 'trust its certificate with NODE_EXTRA_CA_CERTS, or give --insecure'
  // What has no TLS hangs up on a greeting that it does not understand, or answers in plain text.
  if (protocol === 'https:' && /SSL|EPROTO|ECONNRESET|UND_ERR_SOCKET/.test(code))
    return 'if it has no TLS, give --url with http'
  return 'start the server or correct --url'
}

function refuseKey({ status, text }: Reply, plan: LoadPlan): void {
  if (status !== 401 && status !== 403) return
  const how = plan.key === null ? 'give a key with' : 'it refuses this key, give another with'
  // Some servers repeat the key, which belongs in no log.
  const answer = described({ status, text }).replaceAll(plan.key ?? '\0', '…')
  throw new UsageError(`${plan.url} answers ${answer}: ${how} --key or CROSSLOGIC_API_KEY`)
}

function described({ status, text }: Reply): string {
  const words = readError(text)?.message.replaceAll(/\s+/g, ' ').slice(0, 200)
  return words === undefined ? String(status) : `${status} (${words})`
}

function modelsOf(text: string): string[] | null {
  try {
    return Models.parse(JSON.parse(text)).data.map(({ id }) => id)
  } catch {
    return null
  }
}

function chooseModel({ model, url }: LoadPlan, models: readonly string[]): string {
  const shown = models.slice(0, SHOWN_MODELS).join(', ') + (models.length > SHOWN_MODELS ? ', …' : '')
  const [only, ...others] = models
  if (model === null) {
    if (only !== undefined && others.length === 0) return only
    const found = only === undefined ? 'lists no models' : `has ${models.length} models (${shown})`
    throw new UsageError(`${url} ${found}: name one with --model`)
  }
  if (models.includes(model)) return model
  throw new UsageError(
    `${url} has no model "${model}": ${only === undefined ? 'it lists none' : `use ${shown}`}`,
  )
}

function smallBody({ endpoint }: LoadPlan, model: string): object {
  switch (endpoint) {
    case 'chat':
      return { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 }
    case 'completions':
      return { model, prompt: 'hi', max_tokens: 1 }
    case 'embeddings':
      return { model, input: 'hi' }
  }
}
