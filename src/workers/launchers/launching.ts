import type { LaunchTemplate } from '../../core/launch-template.js'
import type { LaunchingSettings } from '../worker-settings.js'
import { parseLaunchTemplates } from './launch-templates.js'
import type { LauncherKind } from './launcher.js'

/** What can be launched here. */
export interface Launching {
  /** By engine. */
  readonly templates: ReadonlyMap<string, LaunchTemplate>
  /** What launches a provider's machines; null: nothing does. */
  readonly launcherFor: (provider: string) => LauncherKind | null
}

/** Of a process that launches nothing. */
export const NOTHING_LAUNCHED: Launching = { templates: new Map(), launcherFor: () => null }

/**
 * What can be launched, by the settings of a thread.
 * @throws LaunchTemplateError for a bad template
 */
export function launchingBy({ templates, skypilot }: LaunchingSettings): Launching {
  return {
    templates: parseLaunchTemplates(templates),
    launcherFor(provider) {
      if (provider === 'local') return 'local'
      // Nodes of this label are registered when they already run.
      if (provider === 'static') return null
      return skypilot ? 'skypilot' : null
    },
  }
}
