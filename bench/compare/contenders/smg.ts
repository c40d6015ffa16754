import { reservePort } from '../../../src/io/reserve-port.js'
import { findOnPath, type Peer } from './peer.js'
import { HOST } from './server-process.js'

/** SMG, the model gateway that began as SGLang's: HTTP workers in turn. */
export const smg: Peer = {
  name: 'smg',
  getIt: 'pip install smg',
  find: () => findOnPath('smg'),
  async prepare(program, _directory, port, { nodeUrls }) {
    // Its metrics want a port of their own.
    const metrics = await reservePort('smg', HOST, 0)
    await metrics.release()
    const args = ['launch', '--host', HOST, '--port', String(port)]
    args.push('--policy', 'round_robin', '--log-level', 'error')
    args.push('--prometheus-host', HOST, '--prometheus-port', String(metrics.port))
    args.push('--worker-urls', ...nodeUrls)
    return { program, args }
  },
  contender: () => ({ description: 'SMG: HTTP workers, round_robin, no authentication' }),
}
