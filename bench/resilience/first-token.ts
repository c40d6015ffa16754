import { quantile } from '../statistics.js'
import type { ClientView } from './load-client.js'

/** Milliseconds to the first bytes of a reply's body; null: none came. */
export function ttftMs({ sentAtMs, arrivals }: ClientView): number | null {
  const [first] = arrivals
  return first === undefined ? null : first.atMs - sentAtMs
}

/** A quantile of the times to the first token of answers that began. @throws when none did */
export function ttftQuantile(views: readonly ClientView[], q: number): number {
  const times = views.flatMap((view) => (view.status === 200 ? (ttftMs(view) ?? []) : []))
  return quantile(
    times.toSorted((a, b) => a - b),
    q,
  )
}

/** Whether a request failed before anything of an answer came. */
export function failedAtFirst({ status, arrivals, ended }: ClientView): boolean {
  return status !== 200 || (ended === 'cut' && arrivals.length === 0)
}
