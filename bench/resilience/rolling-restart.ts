import { setTimeout as sleep } from 'node:timers/promises'
import { runLoad, type ClientView, type LoadClient, type PlannedRequest } from './load-client.js'

/** One of the gateway's instances behind a balancer. */
export interface Instance {
  readonly client: LoadClient
  /** Ends it with SIGTERM and starts it again on the same port; resolves when it serves. */
  readonly restart: () => Promise<void>
}

export interface RollingRestart {
  readonly instances: readonly Instance[]
  /** How often all of them are restarted, one after the other. */
  readonly rounds: number
  readonly streams: number
  readonly plan: Iterator<PlannedRequest>
  /** Between two restarts, and before the first. */
  readonly pauseMs: number
}

export interface RestartedStreams {
  readonly views: readonly ClientView[]
  /** Requests that an instance did not take, so that another one was asked. */
  readonly turnedAway: number
}

/** Whether an instance took no notice of a request: it may be sent to another one. */
function isTurnedAway({ requestId, status, text }: ClientView): boolean {
  return requestId === null || (status === 503 && text.includes('"draining"'))
}

/**
 * Restarts instances one after the other under streams. Clients change to another instance for new requests alone,
 * and keep doing so until one of them takes the request.
 */
export async function restartUnderStreams(options: RollingRestart): Promise<RestartedStreams> {
  const { instances, rounds, streams, plan, pauseMs } = options
  let turn = 0
  let turnedAway = 0
  const send = async (planned: PlannedRequest): Promise<ClientView> => {
    for (;;) {
      const instance = instances[turn++ % instances.length]
      if (instance === undefined) throw new RangeError('there are no instances')
      const view = await instance.client.send(planned)
      if (!isTurnedAway(view)) return view
      turnedAway++
      await sleep(5)
    }
  }
  const stop = new AbortController()
  const load = runLoad(send, plan, () => streams, stop.signal)
  try {
    for (let round = 0; round < rounds; round++) {
      for (const { restart } of instances) {
        await sleep(pauseMs)
        await restart()
      }
    }
    await sleep(pauseMs)
  } finally {
    stop.abort()
  }
  return { views: await load, turnedAway }
}
