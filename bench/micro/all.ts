import { emptyOperation } from './empty-operation.js'
import type { MicroBench } from './harness/bench.js'
import { httpResponse } from './http-response.js'
import { keyAuth } from './key-auth.js'
import { policies } from './policies.js'
import { promptPrefix } from './prompt-prefix.js'
import { requestHead } from './request-head.js'
import { spool } from './spool.js'
import { sseTap } from './sse-tap.js'
import { usageLine } from './usage-line.js'

/** In the order of a request's way through the proxy; first what the loop itself costs. */
export const MICRO_BENCHES: readonly MicroBench[] = [
  emptyOperation,
  keyAuth,
  requestHead,
  promptPrefix,
  policies,
  spool,
  httpResponse,
  sseTap,
  usageLine,
]
