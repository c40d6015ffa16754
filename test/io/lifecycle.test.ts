import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLifecycle } from '../../src/io/lifecycle.js'

function recorder() {
  const failures: unknown[] = []
  return { failures, logger: { debug: () => undefined, error: (line: object) => failures.push(line) } }
}

test('closes the last added first, one after the other, once', async () => {
  const lifecycle = createLifecycle(recorder().logger)
  const closed: string[] = []
  lifecycle.add('store', () => closed.push('store'))
  lifecycle.add('server', async () => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    closed.push('server')
  })
  await Promise.all([lifecycle.close(), lifecycle.close()])
  assert.deepEqual(closed, ['server', 'store'])
})

test('a closer that fails or hangs is logged by name and stops nothing', async () => {
  const { failures, logger } = recorder()
  const closed: string[] = []
  {
    await using lifecycle = createLifecycle(logger)
    lifecycle.add('last', () => closed.push('last'))
    lifecycle.add('hanging', () => new Promise(() => undefined), { timeoutMs: 10 })
    lifecycle.add('failing', () => {
      throw new Error('no')
    })
  }
  assert.deepEqual(closed, ['last'])
  assert.deepEqual(
    failures.map((line) => JSON.stringify(line)).map((line) => /"resource":"(\w+)"/.exec(line)?.[1]),
    ['failing', 'hanging'],
  )
})

test('what is added after closing began is closed as well', async () => {
  const lifecycle = createLifecycle(recorder().logger)
  const closed: string[] = []
  await lifecycle.close()
  lifecycle.add('late', () => closed.push('late'))
  await lifecycle.close()
  assert.deepEqual(closed, ['late'])
})
