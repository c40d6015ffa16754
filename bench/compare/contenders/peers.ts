import { bifrost } from './bifrost.js'
import type { Backends, RunningContender } from './contender.js'
import { envoy } from './envoy.js'
import { startHaproxy } from './haproxy.js'
import { litellm } from './litellm.js'
import { startNginx } from './nginx.js'
import { startPeer } from './peer.js'
import { portkey } from './portkey.js'
import { smg } from './smg.js'

/** Starts a peer. @throws when it is absent or does not start: the message says why, and how to get it */
export type StartPeer = (backends: Backends) => Promise<RunningContender>

/** What the gateway can be compared with, by the name that `--peers` takes. */
export const PEERS: ReadonlyMap<string, StartPeer> = new Map<string, StartPeer>([
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
  ...[portkey, litellm, bifrost, smg, envoy].map(
    (peer) => [peer.name, (backends: Backends) => startPeer(peer, backends)] as const,
  ),
])

/** Those that the bench installs itself where it may. */
export const DEFAULT_PEERS: readonly string[] = ['nginx', 'haproxy']
