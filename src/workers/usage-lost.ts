import {
  RECORD_BEGIN,
  RECORD_END,
  RECORD_PROGRESS,
  eachProgress,
  type SpoolProgress,
} from '../core/spool-format.js'
import { scanSegment } from './usage-batch.js'

export interface OpenRequest {
  readonly spoolId: number
  /** The identity's JSON line. */
  readonly line: string
  progress: SpoolProgress | undefined
}

/**
 * The requests of a dead epoch that began and did not end, in the order in which they began.
 * @param paths the epoch's segments, in order, from one on that began with all that was open then
 */
export function openRequests(paths: readonly string[]): OpenRequest[] {
  const open = new Map<number, OpenRequest>()
  const ended = new Set<number>()
  for (const path of paths) {
    scanSegment(path, { start: 0, final: true }, ({ type, spoolId, payload }) => {
      if (type === RECORD_END) {
        ended.add(spoolId)
        open.delete(spoolId)
      } else if (type === RECORD_BEGIN && !ended.has(spoolId)) {
        open.set(spoolId, { spoolId, line: payload.toString('utf8'), progress: open.get(spoolId)?.progress })
      } else if (type === RECORD_PROGRESS) {
        eachProgress(payload, (id, progress) => {
          const request = open.get(id)
          if (request !== undefined) request.progress = progress
        })
      }
      return true
    })
  }
  return [...open.values()].sort((a, b) => a.spoolId - b.spoolId)
}
