import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { busyShare, cpuMicrosBetween, parseMachineTimes, readMachineTimes } from '../../bench/cpu-time.js'
import { descendants, lives, parseProcessStat, readProcessStat } from '../../bench/proc-stat.js'
import { groupOfTitle } from '../../bench/compare/contenders/gateway-contender.js'

const STAT =
  '4711 (a) (b c) S 17 4711 4711 0 -1 4194560 5000 0 3 0 120 45 9 9 20 0 11 0 99887 1223 456 18446744073709551615\n'

test('reads times and parent from /proc/PID/stat although the name holds brackets and spaces', () => {
  assert.deepEqual(parseProcessStat(STAT), {
    parentPid: 17,
    state: 'S',
    cpuTicks: 165,
    startTicks: '99887',
  })
})

test('refuses text that is no process stat', () => {
  for (const text of ['', 'nonsense', '1 (x) S', STAT.replace('120', 'many'), STAT.slice(0, 60)]) {
    assert.equal(parseProcessStat(text), null)
  }
})

test('finds a child among the descendants, until it has ended', async () => {
  const child = spawn('sleep', ['30'])
  await once(child, 'spawn')
  const found = descendants(process.pid).find(({ pid }) => pid === child.pid)
  assert.ok(found !== undefined)
  assert.ok(lives(found))
  assert.equal(readProcessStat(found.pid)?.parentPid, process.pid)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(!lives(found))
})

test('sums by group what was used between two readings; a new process counts from its start', () => {
  const before = new Map([
    ['1 10', { group: 'proxy', ticks: 100 }],
    ['2 10', { group: 'proxy', ticks: 50 }],
    ['3 10', { group: 'control', ticks: 7 }],
    ['4 10', { group: 'control', ticks: 1000 }],
  ])
  const after = new Map([
    ['1 10', { group: 'proxy', ticks: 130 }],
    ['2 10', { group: 'proxy', ticks: 50 }],
    ['3 10', { group: 'control', ticks: 9 }],
    // The same pid, another process.
    ['4 99', { group: 'control', ticks: 3 }],
  ])
  assert.deepEqual(
    cpuMicrosBetween(before, after),
    new Map([
      ['proxy', 300_000],
      ['control', 50_000],
    ]),
  )
})

test('tells how busy the machine was between two readings', () => {
  const before = parseMachineTimes('cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n')
  const after = parseMachineTimes('cpu  160 0 70 810 60 0 0 0 40 0\n')
  assert.equal(busyShare(before, after), 0.8)
  assert.equal(busyShare(before, before), 0)
  assert.throws(() => parseMachineTimes('intr 1 2 3'))
  assert.throws(() => parseMachineTimes('cpu 1 x 3 4'))
  const now = readMachineTimes()
  assert.ok(now.total >= now.busy && now.busy > 0)
})

test('tells the processes of a gateway apart by their titles', () => {
  assert.deepEqual(
    [
      'crosslogic-proxy',
      'crosslogic-supervisor',
      '/opt/pg/bin/postgres -D /data',
      'postgres: checkpointer',
      'redis-server 127.0.0.1:0',
      'valkey-server *:1',
      'sh',
    ].map(groupOfTitle),
    ['proxy', 'supervisor', 'postgres', 'postgres', 'redis', 'redis', 'other'],
  )
})
