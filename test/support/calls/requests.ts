import { newRequestId } from '../../../src/io/request-id.js'
import { explainRequests, servedRequest } from '../explanations.js'
import type { Calls } from './call.js'

export const requestsCalls: Calls = {
  'requests.get': async (port) => {
    const requestId = newRequestId(Date.now())
    await explainRequests(port, [servedRequest(1, { requestId })])
    return { path: `/admin/requests/${requestId}` }
  },
}
