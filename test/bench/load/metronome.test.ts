import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { startMetronome } from '../../../bench/load/metronome.js'

test('wakes once for each time, never before it, and another time takes the place of one', async () => {
  const wakes: number[] = []
  let wake = () => {}
  const metronome = startMetronome(() => {
    wakes.push(performance.now())
    wake()
  })
  const woken = (atMs: number) => {
    const next = new Promise<void>((resolve) => (wake = resolve))
    metronome.wakeAt(atMs)
    return next
  }
  try {
    for (const waitMs of [20, 3, 0.7, -5]) {
      const atMs = performance.now() + waitMs
      await woken(atMs)
      // The two clocks begin at times that are known to a part of a microsecond.
      assert.ok((wakes.at(-1) ?? 0) >= atMs - 0.05)
    }
    metronome.wakeAt(performance.now() + 3_600_000)
    await woken(performance.now() + 5)
    metronome.wakeAt(performance.now() + 5)
    const before = wakes.length
    metronome.wakeAt(performance.now() + 3_600_000)
    await sleep(50)
    assert.equal(wakes.length, before)
    assert.equal(before, 5)
  } finally {
    metronome.stop()
  }
})
