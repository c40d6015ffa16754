import { z } from 'zod'
import type { Exchange } from './connection.js'
import { EmbeddingWork } from './embeddings.js'
import { kvCacheUsage, passOpeningFaults, type Engine } from './engine.js'
import { EngineError } from './engine-error.js'
import { FaultRule, isApplicable, type FaultKind, type RequestFault } from './faults.js'
import type { LedgerEntry } from './ledger.js'
import { renderMetrics } from './metrics.js'
import { PlainGeneration } from './plain-generation.js'
import { parseBody, readEmbeddingRequest, readGenerationRequest, type Endpoint } from './prompt.js'
import { sendError, sendJson, sendText } from './reply.js'
import { StreamGeneration } from './stream-generation.js'

/** What the routes need of the node beside its engine. */
export interface NodeControl {
  stats(): object
  setFault(rule: FaultRule): Promise<void>
  clearFault(kind: FaultKind): Promise<void>
}

type Handler = (engine: Engine, exchange: Exchange, control: NodeControl) => void

const FaultsBody = z.union([z.strictObject({ faults: z.array(FaultRule) }), FaultRule])
const STARTED_SECONDS = Math.floor(Date.now() / 1000)
let anonymousRequests = 0

function openEntry(engine: Engine, exchange: Exchange, stream: boolean): LedgerEntry {
  const { headers, path } = exchange.request
  const requestId = headers.get('x-request-id') ?? `anonymous-${(anonymousRequests += 1)}`
  return engine.ledger.open(requestId, path, stream)
}

/** The fault that the request asks for, else one that the node's rules draw for it. */
function chooseFault(
  engine: Engine,
  entry: LedgerEntry,
  asked: RequestFault | undefined,
): RequestFault | undefined {
  const fault = asked ?? engine.faults.draw(entry.stream)
  if (fault === undefined || !isApplicable(fault.kind, entry.stream)) return undefined
  entry.fault = fault.kind
  return fault
}

/** Answers a refusal; anything else is a bug and ends the process. */
function refuse(engine: Engine, exchange: Exchange, entry: LedgerEntry | undefined, error: unknown): void {
  if (!(error instanceof EngineError)) throw error
  if (entry !== undefined) {
    entry.status = error.status
    entry.endedAt = Date.now()
  }
  sendError(exchange, engine.options.flavour, error)
}

function generate(endpoint: Endpoint): Handler {
  return (engine, exchange) => {
    let entry: LedgerEntry | undefined
    try {
      const body = parseBody(exchange.request.body)
      const opened = (entry = openEntry(engine, exchange, body['stream'] === true))
      const request = readGenerationRequest(endpoint, body, engine.options)
      opened.promptTokens = request.promptTokens
      const fault = chooseFault(engine, opened, request.fault)
      passOpeningFaults(engine, exchange, opened, fault, () => {
        if (!request.stream) {
          engine.scheduler.enter(new PlainGeneration(engine, exchange, opened, request, fault))
          return
        }
        const stream = new StreamGeneration(engine, exchange, opened, request, fault)
        const { sendHeadersEarly, flavour } = engine.options
        if (sendHeadersEarly ?? flavour === 'vllm') stream.sendHead()
        engine.scheduler.enter(stream)
      })
    } catch (error) {
      refuse(engine, exchange, entry, error)
    }
  }
}

const embed: Handler = (engine, exchange) => {
  let entry: LedgerEntry | undefined
  try {
    const body = parseBody(exchange.request.body)
    const opened = (entry = openEntry(engine, exchange, false))
    const request = readEmbeddingRequest(body, engine.options)
    opened.promptTokens = request.promptTokens
    const fault = chooseFault(engine, opened, request.fault)
    passOpeningFaults(engine, exchange, opened, fault, () => {
      engine.scheduler.enter(new EmbeddingWork(engine, exchange, opened, request, fault))
    })
  } catch (error) {
    refuse(engine, exchange, entry, error)
  }
}

function modelCard(id: string, contextLength: number): object {
  return {
    id,
    object: 'model',
    created: STARTED_SECONDS,
    owned_by: 'simulated',
    root: id,
    parent: null,
    max_model_len: contextLength,
  }
}

const listModels: Handler = ({ options }, exchange) => {
  const data = options.models.map((model) => modelCard(model, options.contextLength))
  sendJson(exchange, 200, { object: 'list', data })
}

const health: Handler = (engine, exchange) => {
  const down = engine.faults.rules.has('health_down')
  sendText(exchange, down ? 503 : 200, 'text/plain; charset=utf-8', '')
}

function loadOf(engine: Engine): string {
  const { waiting, running } = engine.scheduler
  return (
    `TEXT named_metrics.kv_cache_usage_perc=${kvCacheUsage(engine).toFixed(4)}, ` +
    `named_metrics.num_requests_waiting=${waiting.size}, named_metrics.num_requests_running=${running.size}`
  )
}

const metrics: Handler = (engine, exchange, control) => {
  const { options, scheduler } = engine
  const text = renderMetrics(options.flavour, options.models[0] ?? '', engine.metrics, {
    running: scheduler.running.size,
    waiting: scheduler.waiting.size,
    kvCacheUsage: kvCacheUsage(engine),
  })
  if (text === undefined) notFound(engine, exchange, control)
  else sendText(exchange, 200, 'text/plain; version=0.0.4; charset=utf-8', text)
}

const readLedger: Handler = ({ ledger }, exchange) => {
  const id = exchange.request.query.get('request_id')
  const data = id === null ? [...ledger.entries.values()].flat() : (ledger.entries.get(id) ?? [])
  sendJson(exchange, 200, { data })
}

/** `{faults: […]}` or one rule; each replaces the standing rule of its kind. */
const postFaults: Handler = (engine, exchange, control) => {
  let rules: readonly FaultRule[]
  try {
    const parsed = FaultsBody.safeParse(parseBody(exchange.request.body))
    if (!parsed.success) throw new EngineError(400, parsed.error.issues[0]?.message ?? 'not a fault rule')
    rules = 'faults' in parsed.data ? parsed.data.faults : [parsed.data]
    if (rules.some((rule) => rule.kind === 'refuse' && rule.ms === undefined))
      throw new EngineError(400, 'refuse over HTTP needs ms: nothing could take it back', 'ms')
  } catch (error) {
    return refuse(engine, exchange, undefined, error)
  }
  sendJson(exchange, 200, { data: rules })
  for (const rule of rules) void control.setFault(rule)
}

const deleteFaults: Handler = ({ faults }, exchange, control) => {
  for (const kind of [...faults.rules.keys()]) void control.clearFault(kind)
  sendJson(exchange, 200, { data: [] })
}

const notFound: Handler = (engine, exchange) =>
  sendError(exchange, engine.options.flavour, new EngineError(404, 'Not Found'))

const ROUTES: Readonly<Record<string, Handler | undefined>> = {
  'POST /v1/chat/completions': generate('chat'),
  'POST /v1/completions': generate('completion'),
  'POST /v1/embeddings': embed,
  'GET /v1/models': listModels,
  'GET /health': health,
  'GET /metrics': metrics,
  'GET /version': (_, exchange) => sendJson(exchange, 200, { version: '0.0.0-simulated' }),
  'GET /stats': (_, exchange, control) => sendJson(exchange, 200, control.stats()),
  'GET /ledger': readLedger,
  'DELETE /ledger': ({ ledger }, exchange) => {
    ledger.clear()
    sendJson(exchange, 200, { data: [] })
  },
  'GET /faults': ({ faults }, exchange) => sendJson(exchange, 200, { data: [...faults.rules.values()] }),
  'POST /faults': postFaults,
  'DELETE /faults': deleteFaults,
}

const OBSERVATION: ReadonlySet<string> = new Set(['/stats', '/ledger', '/faults'])

/** Serves one request. Under `/v1` the node's API key is demanded, if it has one. */
export function route(engine: Engine, exchange: Exchange, control: NodeControl): void {
  const { request } = exchange
  const { apiKey, flavour, models, contextLength } = engine.options
  const underApi = request.path.startsWith('/v1/')
  if (underApi && apiKey !== undefined && request.headers.get('authorization') !== `Bearer ${apiKey}`) {
    sendError(exchange, flavour, new EngineError(401, 'Unauthorized', null, 'invalid_api_key'))
    return
  }
  // Asked now and then by tests and benches, whose pooled connections would meet the keep-alive limit.
  if (underApi && engine.options.loadHeader) exchange.load = () => loadOf(engine)
  if (OBSERVATION.has(request.path)) exchange.keepAlive = false
  const handler = ROUTES[`${request.method} ${request.path}`]
  if (handler !== undefined) return handler(engine, exchange, control)
  if (request.method === 'GET' && request.path.startsWith('/v1/models/')) {
    const model = models.find(
      (name) => encodeURIComponent(name) === request.path.slice(11) || name === request.path.slice(11),
    )
    if (model !== undefined) return sendJson(exchange, 200, modelCard(model, contextLength))
  }
  notFound(engine, exchange, control)
}
