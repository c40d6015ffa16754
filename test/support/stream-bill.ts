import type { ExpectedAnswer } from '../../bench/nodes/expected-answer.js'
import { type AuditedRow, costOf } from './usage-audit.js'

/**
 * What is wrong with the usage record of a stream that its client has whole, however many nodes wrote it: its prompt is
 * billed once, and so is each token. Null when nothing is.
 * @param row undefined: there is none
 */
export function billFault(row: AuditedRow | undefined, expected: ExpectedAnswer): string | null {
  if (row === undefined) return 'no usage record'
  const billed = [row.status, row.error_code, row.prompt_tokens, row.completion_tokens, row.counted]
  const due = [200, '', expected.promptTokens, expected.tokens.length, 'reported']
  if (billed.join() !== due.join()) return `billed ${billed.join()}, due ${due.join()}`
  return row.cost_nanos === costOf(row) ? null : 'its cost is not its tokens at its prices'
}
