import assert from 'node:assert/strict'
import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { LoadReport, type Distribution } from '../../../bench/load/load-report.js'
import { planOf, runLoad, type LoadHooks } from '../../../bench/load.js'
import type { LedgerEntry, SimulatedNode } from '../../../bench/nodes.js'

/** Runs `bench load` on a URL, short prompts; the result is what its JSON file would hold. */
export async function load(url: string, text: string, hooks: LoadHooks = {}): Promise<LoadReport> {
  const { plan } = planOf(['--url', url, '--prompt-tokens', '16', ...text.split(' ')])
  return LoadReport.parse(JSON.parse(JSON.stringify(await runLoad(plan, hooks))))
}

/** What became of the requests. */
export const fatesOf = ({ totals: { sent, completed, failed, aborted } }: LoadReport) => ({
  sent,
  completed,
  failed,
  aborted,
})

/** All requests that a node was asked to answer. */
export function generated(node: SimulatedNode): LedgerEntry[] {
  return [...node.ledger.values()].flat()
}

/** A distribution's histogram; fails when there is none. */
export function histogramOf({ hdr }: Distribution): Histogram {
  assert.ok(hdr !== null)
  return decodeFromCompressedBase64(hdr, 32, false)
}
