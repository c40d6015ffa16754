import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const COMMAND = fileURLToPath(new URL('../../bench/nodes.js', import.meta.url))

test('runs as a command: says where its nodes are and ends on SIGTERM', async () => {
  const child = spawn(process.execPath, [COMMAND, '--count', '3', '--model', 'm', '--itl-ms', '1'])
  const [line] = z.tuple([z.instanceof(Buffer)]).parse(await once(child.stdout, 'data'))
  const ready = z
    .object({
      event: z.literal('ready'),
      nodes: z.array(z.object({ url: z.string(), model: z.literal('m') })),
    })
    .parse(JSON.parse(line.toString()))
  assert.equal(new Set(ready.nodes.map((node) => node.url)).size, 3)
  for (const node of ready.nodes) assert.equal((await fetch(`${node.url}/health`)).status, 200)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('refuses bad options with one line and exit code 2', async () => {
  for (const args of [
    ['--nonsense'],
    ['--itl-ms', 'soon'],
    ['--jitter', '2'],
    ['--fault', 'what'],
    ['--count', '0'],
  ]) {
    const child = spawn(process.execPath, [COMMAND, ...args])
    let errors = ''
    child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
    assert.deepEqual(await once(child, 'close'), [2, null])
    assert.match(errors, /^nodes: [^\n]+\n$/)
  }
})
