import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findOnPath, type Peer } from './peer.js'
import { HOST } from './server-process.js'

/** Bifrost's configuration file: the provider openai at the first node, no stores and no log of requests. */
export function bifrostConfig(model: string, nodeUrls: readonly string[]): string {
  return JSON.stringify({
    client: { drop_excess_requests: false, enable_logging: false },
    providers: {
      openai: {
        keys: [{ name: 'bench', value: 'none', models: [model], weight: 1 }],
        network_config: { base_url: nodeUrls[0], default_request_timeout_in_seconds: 300, max_retries: 0 },
        concurrency_and_buffer_size: { concurrency: 5_000, buffer_size: 10_000 },
      },
    },
    config_store: { enabled: false },
    logs_store: { enabled: false },
  })
}

/** Bifrost's HTTP transport. */
export const bifrost: Peer = {
  name: 'bifrost',
  getIt: 'go install github.com/maximhq/bifrost/transports/bifrost-http@latest',
  find: () => findOnPath('bifrost-http'),
  async prepare(program, directory, port, { model, nodeUrls }) {
    await writeFile(join(directory, 'config.json'), bifrostConfig(model, nodeUrls))
    const args = ['-app-dir', directory, '-host', HOST, '-port', String(port), '-log-level', 'error']
    return { program, args }
  },
  contender: ({ model }) => ({
    description: 'Bifrost: provider openai at the first node, no stores, no log of requests',
    model: `openai/${model}`,
    frames: 'rewritten',
  }),
}
