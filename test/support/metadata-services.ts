import type { IncomingMessage, ServerResponse } from 'node:http'
import { type PlainServer, startPlainServer } from './plain-server.js'

export const CLOUDS = ['aws', 'gcp', 'azure'] as const
export type Cloud = (typeof CLOUDS)[number]

/** A cloud's metadata service, as far as the node agent asks it. */
export interface MetadataService extends AsyncDisposable {
  readonly url: string
  readonly requests: PlainServer['requests']
  /** Says from now on that the machine goes in `seconds` (which Google never says), and which machine. */
  warn(seconds: number, machine?: string): void
  /** Moves its clock, which is this machine's else. */
  shiftClock(ms: number): void
  /** Answers everything in this way; null: as it should. */
  answerWith(status: number | null, location?: string): void
}

interface State {
  goesAt: number | null
  machine: string
  now(): number
  /** Answers to those who wait for a change. */
  readonly waiting: Set<() => void>
}

type Answer = (request: IncomingMessage, response: ServerResponse, state: State) => void

const MACHINE = 'gpu_0'
const IMDS_TOKEN = 'imds-token'
const PUBLIC_ADDRESS = '203.0.113.7'

function say(
  response: ServerResponse,
  status: number,
  body = '',
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, headers).end(body)
}

const aws: Answer = ({ method, url, headers }, response, { goesAt }) => {
  if (url === '/latest/api/token') {
    const asked = method === 'PUT' && headers['x-aws-ec2-metadata-token-ttl-seconds'] !== undefined
    say(response, asked ? 200 : 400, IMDS_TOKEN)
  } else if (headers['x-aws-ec2-metadata-token'] !== IMDS_TOKEN) say(response, 401)
  else if (url === '/latest/meta-data/instance-id') say(response, 200, 'i-1')
  else if (url === '/latest/meta-data/public-ipv4') say(response, 200, PUBLIC_ADDRESS)
  else if (url !== '/latest/meta-data/spot/instance-action' || goesAt === null) say(response, 404)
  else {
    const time = `${new Date(goesAt).toISOString().slice(0, 19)}Z`
    say(response, 200, JSON.stringify({ action: 'terminate', time }))
  }
}

const gcp: Answer = ({ url = '', headers }, response, state) => {
  const google = { 'metadata-flavor': 'Google' }
  if (headers['metadata-flavor'] !== 'Google') say(response, 403)
  else if (url === '/computeMetadata/v1/instance/id') say(response, 200, '1', google)
  else if (url.endsWith('/access-configs/0/external-ip')) say(response, 200, PUBLIC_ADDRESS, google)
  else if (!url.startsWith('/computeMetadata/v1/instance/preempted')) say(response, 404, '', google)
  else {
    const answer = () => {
      const gone = state.goesAt !== null
      say(response, 200, gone ? 'TRUE' : 'FALSE', { ...google, etag: gone ? 'etag+2/=' : 'etag+1/=' })
    }
    const known = new URL(url, 'http://metadata').searchParams.get('last_etag')
    const news = known === null || known !== (state.goesAt === null ? 'etag+1/=' : 'etag+2/=')
    if (news) answer()
    else state.waiting.add(answer)
  }
}

const azure: Answer = ({ url = '', headers }, response, { goesAt, machine }) => {
  if (headers['metadata'] !== 'true') say(response, 400)
  else if (url.startsWith('/metadata/instance/compute/name?')) say(response, 200, MACHINE)
  else if (!url.startsWith('/metadata/scheduledevents?')) say(response, 404)
  else {
    const event = {
      EventId: `event-of-${machine}`,
      EventType: 'Preempt',
      ResourceType: 'VirtualMachine',
      Resources: [machine],
      EventStatus: 'Scheduled',
      NotBefore: new Date(goesAt ?? 0).toUTCString(),
    }
    const reboot = { ...event, EventId: 'other', EventType: 'Reboot', Resources: [MACHINE] }
    const Events = goesAt === null ? [reboot] : [reboot, event]
    say(response, 200, JSON.stringify({ DocumentIncarnation: 1, Events }))
  }
}

const ANSWERS: Readonly<Record<Cloud, Answer>> = { aws, gcp, azure }

/** Starts a stand-in of a cloud's metadata service. */
export async function startMetadata(cloud: Cloud, host = '127.0.0.1'): Promise<MetadataService> {
  let shiftMs = 0
  let fixed: { status: number; headers: Record<string, string> } | null = null
  const state: State = { goesAt: null, machine: MACHINE, now: () => Date.now() + shiftMs, waiting: new Set() }
  const server = await startPlainServer((request, response) => {
    response.setHeader('date', new Date(state.now()).toUTCString())
    if (fixed !== null) say(response, fixed.status, '', fixed.headers)
    else ANSWERS[cloud](request, response, state)
  }, host)
  return {
    url: server.url,
    requests: server.requests,
    warn(seconds, machine = MACHINE) {
      state.goesAt = state.now() + seconds * 1000
      state.machine = machine
      for (const answer of state.waiting) answer()
      state.waiting.clear()
    },
    shiftClock(ms) {
      shiftMs = ms
    },
    answerWith(status, location) {
      fixed = status === null ? null : { status, headers: location === undefined ? {} : { location } }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
