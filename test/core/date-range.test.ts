import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dateRange, isTimeZone, openRange, type DateQuery } from '../../src/core/date-range.js'
import { GatewayError } from '../../src/core/errors.js'

const NOW = Date.parse('2026-03-10T22:30:00Z')

function iso(query: Partial<DateQuery>): [string, string] {
  const { startMs, endMs } = dateRange({ tz: 'UTC', ...query }, NOW)
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString()]
}

function refusedParam(query: Partial<DateQuery>): string | null {
  try {
    dateRange({ tz: 'UTC', ...query }, NOW)
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    assert.equal(error.code, 'invalid_parameter')
    return error.param
  }
  return assert.fail('it was accepted')
}

test('dates are whole days, the end inclusive', () => {
  assert.deepEqual(iso({ start_date: '2026-02-27', end_date: '2026-03-01' }), [
    '2026-02-27T00:00:00.000Z',
    '2026-03-02T00:00:00.000Z',
  ])
})

test('days begin and end at midnight of their time zone', () => {
  const day = { start_date: '2026-03-08', end_date: '2026-03-08' }
  assert.deepEqual(iso({ ...day, tz: 'Asia/Kolkata' }), [
    '2026-03-07T18:30:00.000Z',
    '2026-03-08T18:30:00.000Z',
  ])
  // The clocks go forward in New York on that day: it has 23 hours.
  assert.deepEqual(iso({ ...day, tz: 'America/New_York' }), [
    '2026-03-08T05:00:00.000Z',
    '2026-03-09T04:00:00.000Z',
  ])
  // And in Beirut on this one, at midnight itself.
  assert.deepEqual(iso({ start_date: '2026-03-29', end_date: '2026-03-29', tz: 'Asia/Beirut' }), [
    '2026-03-28T22:00:00.000Z',
    '2026-03-29T21:00:00.000Z',
  ])
})

test('times are exact, the end exclusive', () => {
  const range = { start_date: '2026-03-01T10:00:00+02:00', end_date: '2026-03-01T09:30:00.5Z' }
  assert.deepEqual(iso(range), ['2026-03-01T08:00:00.000Z', '2026-03-01T09:30:00.500Z'])
})

test('the default is the thirty days that end today', () => {
  assert.deepEqual(iso({}), ['2026-02-09T00:00:00.000Z', '2026-03-11T00:00:00.000Z'])
  // In Auckland it is the 11th already.
  assert.deepEqual(dateRange({ tz: 'Pacific/Auckland' }, NOW).endDate, '2026-03-11')
  assert.deepEqual(iso({ end_date: '2026-01-30' }), ['2026-01-01T00:00:00.000Z', '2026-01-31T00:00:00.000Z'])
  assert.deepEqual(iso({ start_date: '2026-03-10T00:00:00Z' }), [
    '2026-03-10T00:00:00.000Z',
    '2026-03-10T22:30:00.000Z',
  ])
})

test('a start after the end and a range of more than 366 days are refused by name', () => {
  assert.equal(refusedParam({ start_date: '2026-03-02', end_date: '2026-03-01' }), 'start_date')
  assert.equal(refusedParam({ start_date: '2026-03-12' }), 'start_date')
  assert.equal(refusedParam({ start_date: '2025-01-01', end_date: '2026-03-01' }), 'start_date')
  const year = { start_date: '2027-07-01', end_date: '2028-06-30', tz: 'Europe/Paris' }
  assert.doesNotThrow(() => dateRange(year, NOW))
})

test('the last day that four digits can name has an end', () => {
  const day = { start_date: '9999-12-31', end_date: '9999-12-31' }
  assert.deepEqual(iso(day), ['9999-12-31T00:00:00.000Z', '+010000-01-01T00:00:00.000Z'])
})

test('every day of every zone begins where its calendar says', () => {
  const zones = [
    'UTC',
    'Europe/Paris',
    'America/Sao_Paulo',
    'Asia/Kathmandu',
    'Australia/Lord_Howe',
    'Pacific/Apia',
  ]
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.nat({ max: 20_000 }), (tz, day) => {
      const date = new Date(day * 86_400_000).toISOString().slice(0, 10)
      const { startMs, endMs } = dateRange({ start_date: date, end_date: date, tz }, NOW)
      const local = new Intl.DateTimeFormat('en-CA', { timeZone: tz, dateStyle: 'short' })
      // Samoa left out the 30th of December 2011.
      if (startMs === endMs) return
      assert.equal(local.format(startMs), date)
      assert.equal(local.format(endMs - 1), date)
      assert.notEqual(local.format(startMs - 1), date)
    }),
  )
})

test('time zones are known by their IANA names', () => {
  assert.ok(isTimeZone('Europe/Paris'))
  assert.ok(!isTimeZone('Europe/Atlantis'))
  assert.ok(!isTimeZone("UTC' OR 1=1"))
})

test('a range without defaults has the bounds that were given, as long as it likes', () => {
  assert.deepEqual(openRange({ tz: 'UTC' }), { startMs: null, endMs: null })
  assert.deepEqual(openRange({ tz: 'UTC', start_date: '2001-01-01', end_date: '2026-01-01' }), {
    startMs: Date.UTC(2001, 0, 1),
    endMs: Date.UTC(2026, 0, 2),
  })
  assert.deepEqual(openRange({ tz: 'UTC', end_date: '2026-01-01T12:00:00+01:00' }), {
    startMs: null,
    endMs: Date.UTC(2026, 0, 1, 11),
  })
  assert.throws(
    () => openRange({ tz: 'UTC', start_date: '2026-01-02', end_date: '2026-01-01' }),
    GatewayError,
  )
})
