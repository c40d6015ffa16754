import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressKey } from '../../src/admin/address-key.js'

const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
const padded = (group: number) => group.toString(16).padStart(4, '0')

/** The shortest form: a run of zero groups as `::`. */
function shortened(all: readonly number[]): string {
  const text = all.map((group) => group.toString(16)).join(':')
  return text.replace(/(?:^|:)(?:0(?::|$)){2,}/, '::')
}

test('an IPv4 address stands for itself, also inside IPv6', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      assert.equal(addressKey(address), address)
      assert.equal(addressKey(`::ffff:${address}`), address)
      const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
      const written = `0000:0000:0000:0000:0000:ffff:${padded((a << 8) | b)}:${padded((c << 8) | d)}`
      assert.equal(addressKey(written), address)
    }),
  )
})

test('IPv6 addresses stand for their /64, however they are written', () => {
  fc.assert(
    fc.property(groups, groups, (one, other) => {
      fc.pre(one.slice(0, 4).some((group) => group > 0))
      const neighbour = [...one.slice(0, 4), ...other.slice(4)]
      const key = addressKey(one.map(padded).join(':'))
      assert.equal(addressKey(neighbour.map(padded).join(':').toUpperCase()), key)
      assert.equal(addressKey(shortened(one)), key)
      assert.equal(addressKey(`${shortened(one)}%eth0`), key)
      const elsewhere = [(one[0] ?? 0) ^ 1, ...one.slice(1)]
      assert.notEqual(addressKey(elsewhere.map(padded).join(':')), key)
    }),
  )
})

test('what is no address stands for itself', () => {
  for (const text of ['', 'unix', '1.2.3']) assert.equal(addressKey(text), text)
})
