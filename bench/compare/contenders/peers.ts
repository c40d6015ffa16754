import type { Backends, RunningContender } from './contender.js'
import { startHaproxy } from './haproxy.js'
import { startNginx } from './nginx.js'

/** Starts a peer. @throws when it is absent or does not start: the message says why, and how to get it */
export type StartPeer = (backends: Backends) => Promise<RunningContender>

/** What the gateway can be compared with, by the name that `--peers` takes. */
export const PEERS: ReadonlyMap<string, StartPeer> = new Map([
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
])
export const DEFAULT_PEERS: readonly string[] = ['nginx', 'haproxy']
