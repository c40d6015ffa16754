import { modelBody } from '../contract-port.js'
import { type Calls } from './call.js'

export const configCalls: Calls = {
  'config.export': () => Promise.resolve({ path: '/admin/config/export' }),
  'config.import': () =>
    Promise.resolve({ path: '/admin/config/import', body: { version: 1, models: [modelBody()] } }),
}
