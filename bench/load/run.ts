import type { SecondPart } from './generator-messages.js'
import { readEnvironment } from './environment.js'
import { prepareLoadProcesses } from './load-processes.js'
import type { LoadReport, LoadSecond } from './load-report.js'
import { mergeResults, mergeSeconds } from './merge.js'
import { settingsOf, type LoadPlan } from './plan.js'
import { findModel } from './probe.js'

/** What a caller may watch and do during a run. */
export interface LoadHooks {
  /** The server was asked and prompts are read: it begins. */
  readonly onStart?: (model: string, notes: readonly string[]) => void
  /** A second is over, in all processes; warm-up seconds are negative. */
  readonly onSecond?: (second: LoadSecond) => void
  /** Ends the run early; its result is what was measured so far. */
  readonly signal?: AbortSignal
}

/**
 * Probes the server, carries out a plan, and waits for the requests that are open at its end.
 * @throws UsageError when the server, its key, model or the prompts do not allow it
 */
export async function runLoad(plan: LoadPlan, hooks: LoadHooks = {}): Promise<LoadReport> {
  const environment = await readEnvironment()
  const model = await findModel(plan)
  await using processes = await prepareLoadProcesses(plan, model)
  const notes =
    processes.skippedPrompts === 0
      ? []
      : [`${processes.skippedPrompts} conversations of the prompt file ask nothing and were skipped`]
  hooks.onStart?.(model, notes)

  const timeline: LoadSecond[] = []
  const gather = gatherSeconds(plan.processes, (second) => {
    timeline.push(second)
    hooks.onSecond?.(second)
  })
  const startedAt = new Date().toISOString()
  const stop = (): void => {
    processes.stop()
  }
  hooks.signal?.addEventListener('abort', stop)
  const running = processes.run((part) => {
    gather.add(part)
  })
  // It may have been given up while the server was asked.
  if (hooks.signal?.aborted === true) stop()
  const parts = await running
  hooks.signal?.removeEventListener('abort', stop)

  gather.flush()
  const measured = mergeResults(plan, parts)
  return {
    format: 'crosslogic-load/1',
    startedAt,
    ended: hooks.signal?.aborted === true ? 'interrupted' : 'complete',
    settings: { ...settingsOf(plan), model },
    seed: plan.seed,
    environment,
    slo: plan.slo,
    ...measured,
    // Some servers repeat the key, which belongs in no report.
    errors: measured.errors.map((error) => ({
      ...error,
      example: error.example.replaceAll(plan.key ?? '\0', '…'),
    })),
    timeline: timeline.sort((a, b) => a.second - b.second),
  }
}

/** Tells of a second when all processes have; `flush` tells of those that some ended before. */
function gatherSeconds(processes: number, onSecond: (second: LoadSecond) => void) {
  const waiting = new Map<number, SecondPart[]>()
  return {
    add(part: SecondPart): void {
      const parts = [...(waiting.get(part.second) ?? []), part]
      waiting.set(part.second, parts)
      if (parts.length < processes) return
      waiting.delete(part.second)
      onSecond(mergeSeconds(parts))
    },
    flush(): void {
      for (const parts of waiting.values()) onSecond(mergeSeconds(parts))
      waiting.clear()
    },
  }
}
