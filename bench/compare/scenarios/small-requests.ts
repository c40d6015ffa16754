import { chatRequest } from './chat.js'
import type { Scenario } from './scenario.js'

const CONNECTIONS = 32

/** Plain chat requests for one token, one after another on 32 connections. */
export const smallRequests: Scenario = {
  name: 'requests',
  title: `CPU per small request: plain chat, 1 token, ${CONNECTIONS} keep-alive connections, closed loop`,
  unit: 'request',
  goal: 2.5,
  connections: CONNECTIONS,
  order: (headers, seconds) => ({
    kind: 'requests',
    request: chatRequest(headers, { max_tokens: 1 }),
    durationMs: seconds * 1000,
  }),
}
