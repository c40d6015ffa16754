import type { GatewayProcess } from './gateway-process.js'

/** The pid of a gateway's first proxy process. @throws when it has none */
export function proxyOf(gateway: GatewayProcess): number {
  const proxy = gateway.family().find(({ title }) => title.startsWith('crosslogic-proxy'))
  if (proxy === undefined) throw new Error('the gateway has no proxy process')
  return proxy.pid
}
