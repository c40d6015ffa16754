import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findOnPath, type Peer } from './peer.js'
import { HOST } from './server-process.js'

/** It does not start without one. */
const MASTER_KEY = 'sk-bench-0123456789abcdef0123456789abcdef'

/** LiteLLM's proxy configuration: each node an OpenAI-compatible deployment of the model; JSON is YAML. */
export function litellmConfig(model: string, nodeUrls: readonly string[]): string {
  return JSON.stringify({
    model_list: nodeUrls.map((url) => ({
      model_name: model,
      litellm_params: { model: `openai/${model}`, api_base: `${url}/v1`, api_key: 'none' },
    })),
    litellm_settings: { telemetry: false, num_retries: 0 },
    general_settings: { master_key: MASTER_KEY },
  })
}

/** LiteLLM's proxy, one worker, without a database. */
export const litellm: Peer = {
  name: 'litellm',
  getIt: "pip install 'litellm[proxy]'",
  find: () => findOnPath('litellm'),
  async prepare(program, directory, port, { model, nodeUrls }) {
    const path = join(directory, 'config.yaml')
    await writeFile(path, litellmConfig(model, nodeUrls))
    const args = ['--config', path, '--host', HOST, '--port', String(port)]
    // Connections that pause between two runs stay open.
    args.push('--num_workers', '1', '--keepalive_timeout', '300')
    return { program, args, env: { LITELLM_LOG: 'ERROR', LITELLM_MASTER_KEY: MASTER_KEY } }
  },
  contender: () => ({
    description: 'LiteLLM proxy: 1 worker, master key alone, no database',
    headers: { authorization: `Bearer ${MASTER_KEY}` },
    frames: 'rewritten',
  }),
}
