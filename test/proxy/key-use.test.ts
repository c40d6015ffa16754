import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../../src/io/logger.js'
import { createKeyUseLog, type KeyUse } from '../../src/proxy/key-use.js'
import { resolvedKey } from '../support/resolved-key.js'

const key = (keyId: string) => resolvedKey({ keyId })

function useLog() {
  const writes: [string, number][][] = []
  const state = { now: 0, down: false }
  const log = createKeyUseLog({
    write: (uses: readonly KeyUse[]) => {
      if (state.down) return Promise.reject(new Error('down'))
      writes.push(uses.map(({ keyId, at }) => [keyId, at.getTime()]))
      return Promise.resolve()
    },
    logger: createLogger({ level: 'silent', process: 'test' }),
    now: () => state.now,
  })
  return { log, writes, state }
}

test('uses are written together, the latest of each key, and at most once a minute', async () => {
  const { log, writes, state } = useLog()
  for (state.now = 1; state.now < 100; state.now++) log.note(key(state.now % 2 === 0 ? 'a' : 'b'))
  await log.flush()
  assert.deepEqual(writes, [
    [
      ['b', 99],
      ['a', 98],
    ],
  ])
  state.now = 30_000
  log.note(key('a'))
  await log.flush()
  assert.equal(writes.length, 1)
  state.now = 60_100
  await log.flush()
  assert.deepEqual(writes[1], [['a', 30_000]])
  await log.flush()
  await log.stop()
  assert.equal(writes.length, 2)
})

test('what could not be written is written later, and what was used meanwhile not forgotten', async () => {
  const { log, writes, state } = useLog()
  state.down = true
  state.now = 5
  log.note(key('a'))
  await log.flush()
  log.note(key('b'))
  state.down = false
  await log.flush()
  assert.deepEqual(writes, [
    [
      ['a', 5],
      ['b', 5],
    ],
  ])
  await log.stop()
})

test('all that is noted is written at the end', async () => {
  const { log, writes, state } = useLog()
  log.note(key('a'))
  await log.flush()
  state.now = 10
  log.note(key('a'))
  await log.stop()
  assert.deepEqual(writes, [[['a', 0]], [['a', 10]]])
})

test('many uses are written in short statements', async () => {
  const { log, writes } = useLog()
  for (let at = 0; at < 1_200; at++) log.note(key(`key ${at}`))
  await log.stop()
  assert.deepEqual(
    writes.map(({ length }) => length),
    [500, 500, 200],
  )
})
