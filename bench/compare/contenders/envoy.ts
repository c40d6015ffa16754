import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findOnPath, type Peer } from './peer.js'
import { HOST } from './server-process.js'

const socketAddress = (address: string, port: number) => ({
  socket_address: { address, port_value: port },
})

const ROUTER = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
}

const MANAGER = {
  '@type':
    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  stat_prefix: 'bench',
  http_filters: [ROUTER],
  route_config: {
    virtual_hosts: [
      {
        name: 'nodes',
        domains: ['*'],
        // Else a stream ends after 15 s.
        routes: [{ match: { prefix: '/' }, route: { cluster: 'nodes', timeout: '0s' } }],
      },
    ],
  },
}

/** Envoy's static configuration: one listener, one cluster of all nodes in turn; JSON is YAML. */
export function envoyConfig(port: number, nodeUrls: readonly string[]): string {
  const endpoints = nodeUrls.map((url) => {
    const { hostname, port: nodePort } = new URL(url)
    return { endpoint: { address: socketAddress(hostname, Number(nodePort)) } }
  })
  const limits = { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 }
  const manager = { name: 'envoy.filters.network.http_connection_manager', typed_config: MANAGER }
  return JSON.stringify({
    static_resources: {
      listeners: [
        { name: 'tenants', address: socketAddress(HOST, port), filter_chains: [{ filters: [manager] }] },
      ],
      clusters: [
        {
          name: 'nodes',
          type: 'STATIC',
          connect_timeout: '10s',
          lb_policy: 'ROUND_ROBIN',
          circuit_breakers: { thresholds: [limits] },
          load_assignment: { cluster_name: 'nodes', endpoints: [{ lb_endpoints: endpoints }] },
        },
      ],
    },
  })
}

/** Envoy as an HTTP proxy. */
export const envoy: Peer = {
  name: 'envoy',
  getIt: 'see https://www.envoyproxy.io/docs/envoy/latest/start/install',
  find: () => findOnPath('envoy'),
  async prepare(program, directory, port, { nodeUrls }) {
    const path = join(directory, 'envoy.yaml')
    await writeFile(path, envoyConfig(port, nodeUrls))
    const args = ['-c', path, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']
    return { program, args }
  },
  contender: () => ({ description: 'Envoy: HTTP connection manager, 1 worker, no access log' }),
}
