import { z } from 'zod'
import { MODEL } from '../compare/scenarios/chat.js'
import {
  addModel,
  setUpModel,
  startGateway,
  untilServed,
  type Gateway,
  type GatewayOptions,
} from '../gateway.js'
import { startKillableNode, type KillableNode } from '../node-fleet.js'
import { LoadClient } from './load-client.js'

export { MODEL }

/** Looked at often, so that what happens to a node shows soon. */
export const HEALTH_CHECK = {
  interval_seconds: 0.5,
  timeout_seconds: 2,
  unhealthy_threshold: 2,
  healthy_threshold: 1,
}

/** A gateway before nodes that are processes of their own. */
export interface Bed extends AsyncDisposable {
  readonly gateway: Gateway
  readonly nodes: readonly KillableNode[]
  readonly apiKey: string
  readonly client: LoadClient
}

export interface BedOptions {
  /** How many nodes, and what each is started with. */
  readonly nodes: number
  readonly nodeArgs: readonly string[]
  /** Settings of the model's route. */
  readonly route: object
  readonly gateway?: GatewayOptions
}

/** @throws when a node or the gateway does not start, or serves no request */
export async function startBed({
  nodes: count,
  nodeArgs,
  route,
  gateway: options,
}: BedOptions): Promise<Bed> {
  const started: AsyncDisposable[] = []
  const stop = async () => {
    for (let last = started.pop(); last !== undefined; last = started.pop()) await last[Symbol.asyncDispose]()
  }
  try {
    const nodes: KillableNode[] = []
    for (let at = 0; at < count; at++) {
      const node = await startKillableNode([...nodeArgs, '--model', MODEL, '--seed', String(at + 1)])
      started.push(node)
      nodes.push(node)
    }
    const gateway = await startGateway(options)
    started.push(gateway)
    const apiKey = await setUpModel(
      gateway,
      MODEL,
      nodes.map(({ url }) => url),
    )
    await setRoute(gateway, MODEL, route)
    const client = new LoadClient(gateway.tenantPort, apiKey)
    return {
      gateway,
      nodes,
      apiKey,
      client,
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Sets fields of a model's route. @throws when they are refused */
export async function setRoute(gateway: Gateway, model: string, fields: object): Promise<void> {
  const { body } = await gateway.client.models.list({ query: { search: model, limit: 200 } })
  const id = body.data.find(({ name }) => name === model)?.id
  if (id === undefined) throw new Error(`there is no model ${model}`)
  await gateway.admin('PUT', `/admin/routes/${id}`, z.unknown(), fields)
}

/** Another model on a bed's gateway, with nodes of its own, live. @throws when it serves no request */
export async function serveModel(
  { gateway, apiKey }: Pick<Bed, 'gateway' | 'apiKey'>,
  model: string,
  nodes: readonly { readonly url: string }[],
  route: object,
): Promise<void> {
  await addModel(
    gateway,
    model,
    nodes.map(({ url }) => url),
    model.replaceAll('/', '-'),
  )
  await setRoute(gateway, model, route)
  await untilServed(gateway, apiKey, model)
}

/** Sets a standing fault of a node over HTTP. @throws when the node does not take it */
export async function setFault({ url }: { readonly url: string }, rule: object): Promise<void> {
  const reply = await fetch(`${url}/faults`, { method: 'POST', body: JSON.stringify(rule) })
  if (!reply.ok) throw new Error(`${url} takes no fault: ${await reply.text()}`)
  await reply.arrayBuffer()
}
