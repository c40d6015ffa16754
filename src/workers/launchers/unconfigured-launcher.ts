import { LaunchError, type Launcher, type LauncherKind } from './launcher.js'

/**
 * Stands for a launcher that is not configured any more, while nodes that it has launched are there: nothing can be known of
 * their machines. What was never asked for fails with the reason, instead of waiting for ever.
 * @param missing the setting that is to be set
 */
export function unconfiguredLauncher(kind: LauncherKind, missing: string): Launcher {
  const refuse = () =>
    Promise.reject(new LaunchError('refused', `no launcher is configured for it: ${missing} is not set`))
  return {
    kind,
    hasAgents: false,
    lookEveryMs: 5_000,
    look: refuse,
    launch: refuse,
    remove: refuse,
    /** None that could be removed. */
    machines: () => Promise.resolve([]),
    lastLines: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
