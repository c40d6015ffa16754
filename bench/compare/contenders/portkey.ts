import { findOnPath, type Peer } from './peer.js'

/** Portkey's gateway: where to forward to is told with each request. */
export const portkey: Peer = {
  name: 'portkey',
  getIt: 'npm install --no-save @portkey-ai/gateway',
  // Its program has a name that others may have too.
  find: () => findOnPath('gateway', '@portkey-ai/gateway'),
  prepare: (program, _directory, port) =>
    Promise.resolve({
      program,
      args: [`--port=${port}`, '--headless'],
      env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
    }),
  contender: ({ nodeUrls }) => ({
    description: 'Portkey gateway: provider openai with the first node as custom host, headless',
    warmUpSeconds: 4,
    headers: {
      authorization: 'Bearer none',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${nodeUrls[0]}/v1`,
    },
  }),
}
