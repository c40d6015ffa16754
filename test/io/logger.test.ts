import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLogger, withoutSecrets, type Logger } from '../../src/io/logger.js'

/** Runs `write` with a logger on a file and answers what stands there. */
function logged(write: (logger: Logger) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'crosslogic-logger-'))
  const fd = openSync(join(folder, 'log'), 'a')
  try {
    write(createLogger({ level: 'info', process: 'test', fd }))
    return readFileSync(join(folder, 'log'), 'utf8')
  } finally {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  }
}

test('writes one JSON line with level, time, process and pid', () => {
  const line: unknown = JSON.parse(
    logged((logger) => {
      logger.info({ event: 'hello' })
    }),
  )
  assert.ok(typeof line === 'object' && line !== null && 'time' in line)
  const { time, ...rest } = line
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual(rest, { level: 'info', process: 'test', pid: process.pid, event: 'hello' })
})

test('takes secrets out of fields, messages and stacks', () => {
  const secret = 'hunter2hunter2'
  const text = logged((logger) => {
    logger.info({ authorization: `Bearer ${secret}`, request: { token: secret, 'x-admin-token': secret } })
    logger.info({ apiKey: secret, nested: { password: secret, key: secret } })
    logger.error(
      { error: new Error(`connect postgres://app:${secret}@db:5432/app`) },
      `key clsk_live_${secret}`,
    )
    logger.info(`Authorization: Bearer ${secret}`)
  })
  assert.doesNotMatch(text, new RegExp(secret))
  assert.match(text, /postgres:\/\/app:\*\*\*@db:5432/)
  for (const line of text.trim().split('\n')) JSON.parse(line)
})

test('leaves lines without secrets as they are', () => {
  const line = '{"url":"http://127.0.0.1:8080/v1?a=b@c","mail":"a@b.example","event":"ready"}\n'
  assert.equal(withoutSecrets(line), line)
})
