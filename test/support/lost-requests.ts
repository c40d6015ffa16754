import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { RECORD_END, lostFile, parseSegmentFile } from '../../src/core/spool-format.js'
import { scanSegment } from '../../src/workers/usage-batch.js'

const Line = z.object({ request_id: z.string() })

/** The requests that each dead proxy left open, by its process id: read from the spool under a data directory. */
export function lostRequests(dataDir: string): Map<number, string[]> {
  const lost = new Map<number, string[]>()
  const root = join(dataDir, 'spool')
  for (const slot of readdirSync(root)) {
    for (const file of readdirSync(join(root, slot))) {
      const epoch = parseSegmentFile(file)?.epoch
      if (epoch === undefined || file !== lostFile(epoch)) continue
      const pid = Number(epoch.split('-')[1])
      const ids: string[] = []
      scanSegment(join(root, slot, file), { start: 0, final: true }, ({ type, payload }) => {
        if (type === RECORD_END) ids.push(Line.parse(JSON.parse(payload.toString())).request_id)
        return true
      })
      lost.set(pid, [...(lost.get(pid) ?? []), ...ids])
    }
  }
  return lost
}
