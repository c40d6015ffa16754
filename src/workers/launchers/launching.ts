import type { LaunchTemplate } from '../../core/launch-template.js'
import type { LaunchingSettings } from '../worker-settings.js'
import { readLaunchTemplates } from './launch-templates.js'
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
 * Reads what can be launched.
 * @throws LaunchTemplateError for templates that cannot be read
 */
export async function readLaunching({ templatesDir, skypilot }: LaunchingSettings): Promise<Launching> {
  return {
    templates: await readLaunchTemplates(templatesDir),
    launcherFor(provider) {
      if (provider === 'local') return 'local'
      // Nodes of this label are registered when they already run.
      if (provider === 'static') return null
      return skypilot ? 'skypilot' : null
    },
  }
}
