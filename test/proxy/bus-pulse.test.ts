import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBusPulse } from '../../src/proxy/bus-pulse.js'

test('a bus that is connected and silent is not believed to be alive', () => {
  let now = 0
  let connected = true
  let hear = () => {}
  const bus = {
    get connected() {
      return connected
    },
    publish: () => Promise.resolve(true),
    subscribe: (_topic: string, listener: (payload: string) => void) => {
      hear = () => {
        listener('')
      }
      return () => {}
    },
  }
  const pulse = startBusPulse({ bus, now: () => now })
  now = 5_000
  assert.equal(pulse.alive, true)
  now = 5_001
  assert.equal(pulse.alive, false)
  hear()
  assert.equal(pulse.alive, true)
  connected = false
  assert.equal(pulse.alive, false)
  pulse.stop()
})
