import { chatRequest } from './chat.js'
import type { LoadOrder, Scenario } from './scenario.js'

const CONNECTIONS = 32
const WARM_UP_MS = 1_500

/** Plain chat requests for one token, one after another on 32 connections. */
export function smallRequests(seconds: number): Scenario {
  const order = (headers: Readonly<Record<string, string>>, durationMs: number): LoadOrder => ({
    kind: 'requests',
    request: chatRequest(headers, { max_tokens: 1 }),
    durationMs,
  })
  return {
    name: 'requests',
    title: `CPU per small request: plain chat, 1 token, ${CONNECTIONS} keep-alive connections, closed loop`,
    unit: 'request',
    goal: 2.5,
    connections: CONNECTIONS,
    warmUp: (headers) => order(headers, WARM_UP_MS),
    load: (headers) => order(headers, seconds * 1000),
  }
}
