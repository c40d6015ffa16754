import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { launchCommand, type LaunchValues, hideSecrets } from '../../src/core/launch-command.js'
import { parseLaunchTemplate } from '../../src/core/launch-template.js'
import { LaunchTemplateError, PLACEHOLDERS } from '../../src/core/template-text.js'

const BASE = `engine: mine
command: [serve, '{{model}}', --port, '{{port}}', '{{engine_args}}']
readiness: { path: /health, timeout_seconds: 60 }
`
const template = (text: string) => parseLaunchTemplate('mine.yaml', text)
const withCommand = (command: readonly string[], more = '') =>
  template(
    `engine: mine\ncommand: ${JSON.stringify(command)}\nreadiness: { path: /health, timeout_seconds: 60 }\n${more}`,
  )

function launch(values: LaunchValues['values'], more: Partial<LaunchValues> = {}): LaunchValues {
  return { values, engineArgs: [], secrets: {}, ...more }
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof LaunchTemplateError, String(error))
    return error.message
  }
  return 'accepted'
}

test('a template says what is launched, with defaults for the rest', () => {
  const mine = template(BASE)
  assert.equal(mine.engine, 'mine')
  assert.deepEqual(mine.stop, { signal: 'SIGTERM', grace_seconds: 30 })
  assert.equal(mine.metrics_path, '/metrics')
  assert.equal(mine.restart.attempts, 5)
  assert.deepEqual(mine.limits, { nice: 0, memory_gb: null, cpus: null })
  const { program, args } = launchCommand(
    mine,
    launch({ model: 'a/b', port: '8000' }, { engineArgs: ['--max-model-len', '4096'] }),
  )
  assert.deepEqual([program, ...args], ['serve', 'a/b', '--port', '8000', '--max-model-len', '4096'])
})

test('a bad template is refused with its file, the field and the placeholder', () => {
  const cases: [string, RegExp][] = [
    ['engine: [', /^mine\.yaml: not valid YAML/],
    ['', /^mine\.yaml: file: /],
    ['engine: Mine\ncommand: [a]\nreadiness: { path: /health, timeout_seconds: 1 }', /^mine\.yaml: engine: /],
    [BASE.replace('/health', 'health'), /^mine\.yaml: readiness\.path: expected a path/],
    [`${BASE}shell: true`, /^mine\.yaml: file: .*shell/],
    [`${BASE}env: { path: x }`, /^mine\.yaml: env\.path: /],
    [
      `${BASE}env: { A: '{{modle}}' }`,
      /^mine\.yaml: env\.A: the placeholder '\{\{modle\}\}' is unknown; known are/,
    ],
    [`${BASE}env: { A: "a\\nb" }`, /^mine\.yaml: env\.A: control characters/],
    [`${BASE}env: { A: '{{engine_args}}' }`, /^mine\.yaml: env\.A: .*is a list/],
    [`${BASE}env: { A: x }\nsecrets: [{ name: api_key, env: A }]`, /^mine\.yaml: env\.A: it is set twice/],
    [
      `${BASE}engine_args: { values: '(' }`,
      /^mine\.yaml: engine_args\.values: expected a regular expression/,
    ],
    [`${BASE}stop: { signal: SIGKILL }`, /^mine\.yaml: stop\.signal/],
    [`${BASE}engine: other`, /^mine\.yaml: not valid YAML/],
    ['a: &x 1\nb: *x', /^mine\.yaml: not valid YAML/],
  ]
  for (const [text, expected] of cases)
    assert.match(
      refusal(() => template(text)),
      expected,
      text,
    )
  const commands: [string[], RegExp][] = [
    [['a', '{{nothing}}'], /command\[1\]: the placeholder '\{\{nothing\}\}' is unknown/],
    [['a', '{{__proto__}}'], /command\[1\]: .*is unknown/],
    [['a', '{{port'], /command\[1\]: the placeholder '\{\{port' is not closed/],
    [['a', '{{mo{{port}}del}}'], /command\[1\]: a placeholder stands within/],
    [['a', 'x{{engine_args}}'], /command\[1\]: .*is a list/],
    [['a', '{{engine_args}}', '{{engine_args}}'], /command: '\{\{engine_args\}\}' stands 2 times/],
    [['{{engine_args}}'], /command\[0\]: expected a program/],
    [[], /command: /],
  ]
  for (const [command, expected] of commands)
    assert.match(
      refusal(() => withCommand(command)),
      expected,
      JSON.stringify(command),
    )
})

test('two closing braces alone are text, as JSON has them', () => {
  const mine = withCommand(['a', '{"x":{"port":{{port}},"y":{}}}'])
  assert.deepEqual(launchCommand(mine, launch({ port: '1' })).args, ['{"x":{"port":1,"y":{}}}'])
})

test('a value that is missing or cannot be an argument is refused with its placeholder', () => {
  const cases: [LaunchValues['values'], RegExp][] = [
    [{ model: 'a' }, /^mine\.yaml: command\[3\]: the value of '\{\{port\}\}' is missing/],
    [{ model: '', port: '1' }, /^mine\.yaml: command\[1\]: the value of '\{\{model\}\}' is missing/],
    [{ model: 'a\nb', port: '1' }, /'\{\{model\}\}' holds control characters/],
    [{ model: '\ud800', port: '1' }, /'\{\{model\}\}' holds control characters/],
    [{ model: '--help', port: '1' }, /'\{\{model\}\}' begins with '-'/],
  ]
  for (const [values, expected] of cases)
    assert.match(
      refusal(() => launchCommand(template(BASE), launch(values))),
      expected,
    )
  const noList = withCommand(['a'])
  assert.match(
    refusal(() => launchCommand(noList, launch({}, { engineArgs: ['--x'] }))),
    /mine\.yaml: command: it has no '\{\{engine_args\}\}'/,
  )
})

test('secrets go into the environment, and no message tells them', () => {
  const mine = template(`${BASE}secrets:
  - { name: api_key, env: ENGINE_KEY }
  - { name: hf_token, env: HF_TOKEN }
  - { name: other, env: OTHER, required: false }`)
  const values = { model: 'a', port: '1', api_key: 'sk-1' }
  const command = launchCommand(mine, launch(values, { secrets: { hf_token: 'hf-2', unused: 'u' } }))
  assert.deepEqual(command.env, { ENGINE_KEY: 'sk-1', HF_TOKEN: 'hf-2' })
  assert.deepEqual(command.secrets, ['sk-1', 'hf-2'])
  assert.match(
    refusal(() => launchCommand(mine, launch(values))),
    /^mine\.yaml: secrets\[1\]: the secret 'hf_token' is missing$/,
  )
  const told = refusal(() => launchCommand(mine, launch(values, { secrets: { hf_token: 'hf\n2' } })))
  assert.match(told, /'hf_token' holds control characters/)
  assert.ok(!told.includes('hf\n2'))
  assert.equal(hideSecrets('key=sk-12 sk-1', ['sk-1', 'sk-12']), 'key=*** ***')
})

const value = fc
  .oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom('{{port}}', '{{engine_args}}', '$(id)', '; rm', '`id`', '%s'),
  )
  .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text) && !text.startsWith('-'))
const item = fc.array(
  fc.oneof(
    fc.constantFrom(...PLACEHOLDERS).map((name) => ({ name })),
    fc.string({ minLength: 1 }).filter((text) => !/[{}\p{Cc}\p{Cs}]/u.test(text)),
  ),
  { minLength: 1, maxLength: 4 },
)

test('no value ever changes how many arguments there are, nor is read as a placeholder', () => {
  const values = fc.record(Object.fromEntries(PLACEHOLDERS.map((name) => [name, value])))
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 6 }), values, (items, given) => {
      const text = items.map((parts) =>
        parts.map((part) => (typeof part === 'string' ? part : `{{${part.name}}}`)).join(''),
      )
      const expected = items.map((parts) =>
        parts.map((part) => (typeof part === 'string' ? part : String(given[part.name]))).join(''),
      )
      const { program, args } = launchCommand(withCommand(text), launch(given))
      assert.deepEqual([program, ...args], expected)
    }),
  )
})

test('any text is a template or refused as one', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (command, whole) => {
      refusal(() => template(whole))
      refusal(() => withCommand([command]))
    }),
  )
})
