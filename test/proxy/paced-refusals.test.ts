import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { createPacedRefusals } from '../../src/proxy/paced-refusals.js'

test('a few refusals are answered at once, a flood thirty at a time and in order', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const refusals = createPacedRefusals()
    const answered: number[] = []
    for (let i = 0; i < 100; i++) refusals.answer(() => answered.push(i))
    assert.equal(answered.length, 30)
    assert.equal(refusals.waiting, 70)
    mock.timers.tick(5)
    assert.equal(answered.length, 60)
    mock.timers.tick(5)
    mock.timers.tick(5)
    assert.deepEqual(
      answered,
      Array.from({ length: 100 }, (_, i) => i),
    )
    mock.timers.tick(5)
    refusals.answer(() => answered.push(-1))
    assert.equal(answered.at(-1), -1, 'after a pause at once again')
  } finally {
    mock.timers.reset()
  }
})

test('when the process stops nobody is left without an answer', () => {
  const refusals = createPacedRefusals()
  let answered = 0
  for (let i = 0; i < 50; i++) refusals.answer(() => answered++)
  refusals.stop()
  assert.equal(answered, 50)
  refusals.answer(() => answered++)
  assert.equal(answered, 51)
})
