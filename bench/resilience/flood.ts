import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientView, LoadClient, PlannedRequest } from './load-client.js'

export interface Flood {
  readonly flooding: LoadClient
  readonly behaving: readonly LoadClient[]
  /** Requests of the flood, all at once. */
  readonly flood: number
  /** Requests of each that behaves, one after the other. */
  readonly each: number
  /** What everybody sends; the prompt is added. */
  readonly request: Pick<PlannedRequest, 'body'> & { readonly path: '/v1/chat/completions' }
  /** Fields of the flood's requests by their number, over those that everybody sends. */
  readonly floodFields?: (at: number) => object
  /** Requests that have reached the nodes. */
  readonly arrived: () => number
  /** Whether the flood is there, so that the others may begin. By default as soon as one of it has reached a node. */
  readonly isFlooded?: () => boolean | Promise<boolean>
  /** Between two requests of one that behaves; drawn up to that. */
  readonly pauseMs?: () => number
}

export interface FloodedRequest {
  readonly view: ClientView
  /** Requests that had reached the nodes when it was sent. */
  readonly arrivedBefore: number
}

const LIMIT_MS = 30_000

/** Lets one tenant flood a model and others use it as they should. The flood is there before they begin. */
export async function floodUnder(options: Flood) {
  const { flooding, behaving, flood, each, request, arrived } = options
  const { floodFields = () => ({}), pauseMs = () => 0 } = options
  const before = arrived()
  const { isFlooded = () => arrived() > before } = options
  const planned = (text: string, fields: object = {}): PlannedRequest => {
    const body = { ...request.body, ...fields, messages: [{ role: 'user', content: text }] }
    return { path: request.path, body, leave: null }
  }
  const flooded = Promise.all(
    Array.from({ length: flood }, (_, at) => flooding.send(planned(`Flood ${at}`, floodFields(at)))),
  )
  const deadline = performance.now() + LIMIT_MS
  while (!(await isFlooded())) {
    if (performance.now() > deadline) throw new Error('the flood does not come')
    await sleep(5)
  }
  const one = async (client: LoadClient, name: number): Promise<FloodedRequest[]> => {
    const all: FloodedRequest[] = []
    for (let at = 0; at < each; at++) {
      await sleep(pauseMs())
      const arrivedBefore = arrived()
      all.push({ view: await client.send(planned(`Tenant ${name}, ${at}`)), arrivedBefore })
    }
    return all
  }
  const nine = (await Promise.all(behaving.map(one))).flat()
  return { flood: await flooded, nine }
}
