import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSettings, SETTING_NAMES, type Machine } from '../../src/core/settings.js'
import { packageRoot } from '../../src/io/package-root.js'

const machine: Machine = { cores: 4, hasRedisServer: true, isReadableFile: () => true }
const example = readFileSync(join(packageRoot, '.env.example'), 'utf8')
const shown = [...example.matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => ({
  name,
  value,
}))

test('.env.example shows every setting, in order', () => {
  assert.deepEqual(
    shown.map(({ name }) => name),
    SETTING_NAMES,
  )
})

test('the values in .env.example are the defaults', () => {
  const written = readSettings(Object.fromEntries(shown.map(({ name, value }) => [name, value])), machine)
  assert.deepEqual(written, readSettings({}, machine))
})

test('docs/operations.md has a row for every setting, with the default of .env.example', () => {
  const docs = readFileSync(join(packageRoot, 'docs/operations.md'), 'utf8')
  const rows = new Map(
    [...docs.matchAll(/^\| `([A-Z_]+)` +\| (.*?) +\|/gm)].map(([, name, value]) => [name, value]),
  )
  assert.deepEqual([...rows.keys()], SETTING_NAMES)
  for (const { name, value } of shown) if (value !== '') assert.equal(rows.get(name), `\`${value}\``)
})
