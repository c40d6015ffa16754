import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { explanationLine } from '../../src/core/explanation-line.js'
import { isUnusual, type ExplainedPhases } from '../../src/core/explanation.js'
import { consideredNode, explainedAttempt, servedRequest } from '../support/explanations.js'
import { numberedId } from '../support/spool.js'

const micros = fc.double({ min: 0, max: 1e9, noNaN: true })
const phases: fc.Arbitrary<ExplainedPhases> = fc.record({
  authMicros: micros,
  bodyMicros: micros,
  limitsMicros: micros,
  admitMicros: micros,
  queueMicros: micros,
  routeMicros: micros,
  connectMicros: micros,
  firstTokenMicros: micros,
  streamMicros: micros,
  settleMicros: micros,
})

const Line = z.object({
  e2e_micros: z.number(),
  explanation: z.object({
    phases: z.record(z.string(), z.number()),
    attempts: z.array(
      z.object({ candidates: z.number(), considered: z.array(z.object({ nodeId: z.string() })) }),
    ),
  }),
})

test('phases of any fractions are whole, never negative, and still add up to the E2E', () => {
  fc.assert(
    fc.property(phases, (given) => {
      const e2eMicros = Object.values<number>({ ...given }).reduce((sum, part) => sum + part, 0)
      const { e2e_micros, explanation } = Line.parse(
        JSON.parse(explanationLine(servedRequest(1, { e2eMicros, phases: given }), 1)),
      )
      const whole = Object.values(explanation.phases)
      assert.ok(whole.every((part) => Number.isInteger(part) && part >= 0))
      assert.equal(
        whole.reduce((sum, part) => sum + part, 0),
        e2e_micros,
      )
    }),
  )
})

test('of a choice among hundreds of nodes the chosen one is kept and the number of candidates is true', () => {
  const considered = Array.from({ length: 300 }, (_, i) =>
    consideredNode(1000 + i, i % 3 === 0 ? { unavailable: 'draining' } : {}),
  )
  const attempt = explainedAttempt({ nodeId: numberedId(1299), considered })
  const { explanation } = Line.parse(
    JSON.parse(explanationLine(servedRequest(1, { attempts: [attempt] }), 1)),
  )
  const [made] = explanation.attempts
  assert.equal(made?.candidates, 200)
  assert.equal(made.considered.length, 64)
  assert.ok(made.considered.some(({ nodeId }) => nodeId === numberedId(1299)))
})

test('retried, queued, resumed, refused and failed requests are unusual; what went plainly or was left is not', () => {
  const seam = {
    fromNode: numberedId(5),
    toNode: numberedId(6),
    afterTokens: 3,
    atMicros: 1,
    gapMicros: 1,
    cause: 'upstream_connection_lost',
  } as const
  assert.deepEqual(
    [
      servedRequest(1),
      servedRequest(1, { status: 499, errorCode: 'client_closed' }),
      servedRequest(1, { attempts: [explainedAttempt(), explainedAttempt({ reason: 'retry' })] }),
      servedRequest(1, { queuePosition: 1 }),
      servedRequest(1, { seams: [seam] }),
      servedRequest(1, { status: 503, errorCode: 'queue_full', attempts: [] }),
      servedRequest(1, { errorCode: 'idle_timeout' }),
    ].map(isUnusual),
    [false, false, true, true, true, true, true],
  )
})
