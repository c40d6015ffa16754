import { cpuMicrosBetween, readCpuTimes, type CpuTimes } from '../../cpu-time.js'
import type { Gateway } from '../../gateway.js'
import { bearer } from '../../gateway.js'
import type { Nginx } from './nginx.js'

/** The group whose CPU is the figure; all other groups are shown beside it. */
export const PROXY_GROUP = 'proxy'

/** A proxy before the simulated nodes. */
export interface Contender {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** CPU time of its processes so far, by group. */
  cpuTimes(): CpuTimes
}

/** CPU microseconds that each group of a contender's processes used since a reading. */
export function cpuSince(contender: Contender, before: CpuTimes): Map<string, number> {
  return cpuMicrosBetween(before, contender.cpuTimes())
}

/** nginx: master and worker count as the proxy. */
export function nginxContender({ host, port, pid }: Nginx): Contender {
  return { name: 'nginx', host, port, headers: {}, cpuTimes: () => readCpuTimes(pid, () => PROXY_GROUP) }
}

/** The gateway: its proxy processes count, all their threads included; supervisor, control and stores apart. */
export function gatewayContender(gateway: Gateway, apiKey: string): Contender {
  return {
    name: 'gateway',
    host: gateway.host,
    port: gateway.tenantPort,
    headers: bearer(apiKey),
    cpuTimes: () => readCpuTimes(gateway.process.pid, groupOfTitle),
  }
}

/** The group of one of the gateway's processes, by its title or command line. */
export function groupOfTitle(title: string): string {
  const own = /^crosslogic-(\w+)/.exec(title)?.[1]
  if (own !== undefined) return own
  if (title.includes('postgres')) return 'postgres'
  return /redis|valkey/.test(title) ? 'redis' : 'other'
}
