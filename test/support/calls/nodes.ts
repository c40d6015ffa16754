import { modelBody, nodeBody } from '../contract-port.js'
import { type Calls, made, type Prepare } from './call.js'

const one =
  (rest = '', body?: unknown): Prepare =>
  async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const node = await made(port, '/admin/nodes', nodeBody(model['name']))
    return { path: `/admin/nodes/${node['cluster_name']}${rest}`, body }
  }

export const nodesCalls: Calls = {
  'nodes.list': () => Promise.resolve({ path: '/admin/nodes' }),
  'nodes.register': async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    return { path: '/admin/nodes', body: nodeBody(model['name']) }
  },
  'nodes.get': one(),
  'nodes.patch': one('', { weight: 2 }),
  'nodes.status': one('/status'),
  'nodes.logs': one('/logs'),
  'nodes.logs-stream': one('/logs/stream?follow=false'),
  'nodes.launch': async (port) => {
    const model = await made(port, '/admin/models', modelBody())
    const body = { model_name: model['name'], provider: 'local', engine: 'simulated' }
    return { path: '/admin/nodes/launch', body, refused: 'launcher_not_configured' }
  },
  'nodes.launch-status': async (port) => {
    const id = crypto.randomUUID()
    const job = "INSERT INTO jobs (id, kind, status) VALUES ($1, 'launch', 'pending')"
    await port.database.postgres.query(job, [id])
    return { path: `/admin/nodes/launch-status?job_id=${id}` }
  },
  'nodes.drain': one('/drain'),
  'nodes.undrain': async (port) => {
    const { path } = await one()(port)
    await made(port, `${path}/drain`, {})
    return { path: `${path}/undrain` }
  },
  'nodes.terminate': one('/terminate', { force: true }),
}
