import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LaunchTemplateError } from '../../../src/core/template-text.js'
import { readLaunchTemplates } from '../../../src/workers/launchers/launch-templates.js'
import { commandOf } from '../../../src/workers/launchers/local-process.js'
import { API_KEY, launchValues } from '../../support/local-launcher.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

const OWN = `engine: vllm
command: [my-vllm, '{{model}}']
readiness: { path: /ready, timeout_seconds: 5 }
`

test('there is a template for each engine that can be launched, and each makes a command', async () => {
  const templates = await readLaunchTemplates(null)
  assert.deepEqual([...templates.keys()].sort(), ['llama-cpp', 'sglang', 'simulated', 'vllm'])
  for (const template of templates.values()) {
    const command = commandOf({ ...launchValues(), template, engineArgs: ['--some-flag', 'x'] }, 8123)
    assert.deepEqual(command.args.slice(-2), ['--some-flag', 'x'])
    const shown = command.args.join(' ')
    assert.match(shown, /--host 127\.0\.0\.1 --port 8123 /)
    assert.ok(command.secrets.includes(API_KEY))
    assert.ok([...command.args, ...Object.values(command.env)].includes(API_KEY))
  }
})

test("the templates of one's own folder replace those of the package", async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'vllm.yaml'), OWN)
  await writeFile(join(folder.path, 'mine.yml'), OWN.replace('engine: vllm', 'engine: mine'))
  await writeFile(join(folder.path, 'README.md'), 'not a template')
  const templates = await readLaunchTemplates(folder.path)
  assert.deepEqual([...templates.keys()].sort(), ['llama-cpp', 'mine', 'sglang', 'simulated', 'vllm'])
  assert.equal(templates.get('vllm')?.readiness.path, '/ready')
})

test('a node is spoken to as its template says, else as the engine whose name it has, else by the API alone', async () => {
  await using folder = await temporaryFolder()
  const named = (engine: string, more = '') => OWN.replace('engine: vllm', `engine: ${engine}`) + more
  await writeFile(join(folder.path, 'a.yaml'), named('mine'))
  await writeFile(join(folder.path, 'b.yaml'), named('patched-vllm', 'api: vllm\n'))
  await writeFile(join(folder.path, 'c.yaml'), named('sglang', 'api: openai\n'))
  await writeFile(join(folder.path, 'd.yaml'), named('openai'))
  const apis = [...(await readLaunchTemplates(folder.path)).values()].map(({ engine, api }) => [engine, api])
  assert.deepEqual(apis.sort(), [
    ['llama-cpp', 'llama-cpp'],
    ['mine', 'openai'],
    ['openai', 'openai'],
    ['patched-vllm', 'vllm'],
    ['sglang', 'openai'],
    ['simulated', 'simulated'],
    ['vllm', 'vllm'],
  ])
  await writeFile(join(folder.path, 'b.yaml'), named('patched-vllm', 'api: tgi\n'))
  await assert.rejects(readLaunchTemplates(folder.path), /b\.yaml: api: /)
})

test('a folder that cannot be read, a bad file and an engine with two files are errors that name the file', async () => {
  await using folder = await temporaryFolder()
  const refused = (expected: RegExp) =>
    assert.rejects(
      readLaunchTemplates(folder.path),
      (error) => error instanceof LaunchTemplateError && expected.test(error.message),
    )
  await assert.rejects(readLaunchTemplates(join(folder.path, 'none')), /none: ENOENT/)
  await writeFile(join(folder.path, 'a.yaml'), OWN.replace('{{model}}', '{{shell}}'))
  await refused(/a\.yaml: command\[1\]: the placeholder '\{\{shell\}\}' is unknown/)
  await writeFile(join(folder.path, 'a.yaml'), OWN)
  await writeFile(join(folder.path, 'b.yaml'), OWN)
  await refused(/b\.yaml: engine: .*a\.yaml is a template of 'vllm' too/)
})
