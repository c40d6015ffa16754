import {
  parseSkyPilotTask,
  type SkyPilotTask,
  type SkyPilotTaskInput,
} from '../../../src/core/skypilot-task.js'
import type { SkyPilotErrorKind } from '../../../src/core/skypilot-error.js'

/** The value of the secret of {@link serverTask}. */
export const API_KEY = 'node-secret-4711-0815'

/** A task that serves a model on port 8000. */
export function serverTask(change: Partial<SkyPilotTaskInput> = {}): SkyPilotTask {
  return parseSkyPilotTask({
    name: 'sim-8b',
    resources: { infra: 'aws/us-east-1', ports: [8000], autodownMinutes: 10 },
    envs: { MODEL: 'sim-8b' },
    secrets: { API_KEY },
    run: 'serve "$MODEL" --api-key "$API_KEY"',
    ...change,
  })
}

let sequence = 0

/** A name that no cluster has. */
export function newClusterName(): string {
  return `cic-test-${process.pid}-${Date.now().toString(36)}${++sequence}`
}

/** What `assert.rejects` takes for a SkyPilotError of a kind. */
export function ofKind(kind: SkyPilotErrorKind, message = /./) {
  return { name: 'SkyPilotError', kind, message }
}
