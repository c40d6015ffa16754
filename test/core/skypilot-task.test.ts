import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import {
  isClusterName,
  parseSkyPilotTask,
  type SkyPilotTaskInput,
  skyPilotYaml,
} from '../../src/core/skypilot-task.js'
import { SkyPilotError, shownMessage, shownText, skyPilotErrorKind } from '../../src/core/skypilot-error.js'

const SECRET = 'hf_0123456789abcdef'

const task = parseSkyPilotTask({
  name: 'llama',
  resources: {
    accelerators: 'H100:1',
    diskSizeGb: 256,
    ports: [8000],
    anyOf: [{ infra: 'aws/us-east-1', useSpot: true }, { infra: 'gcp' }],
    autodownMinutes: 10,
  },
  envs: { MODEL: 'llama', FLAG: 'on', TIME: '12:30', NUMBER: '1_000' },
  secrets: { HF_TOKEN: SECRET },
  setup: 'pip install vllm\n',
  run: 'vllm serve "$MODEL" --port 8000',
})

test('is the document that SkyPilot reads, and its secrets are under secrets', () => {
  assert.deepEqual(parse(skyPilotYaml(task, 'with-values'), { version: '1.1' }), {
    name: 'llama',
    resources: {
      accelerators: 'H100:1',
      disk_size: 256,
      ports: [8000],
      any_of: [{ infra: 'aws/us-east-1', use_spot: true }, { infra: 'gcp' }],
      autostop: { idle_minutes: 10, down: true },
    },
    envs: { MODEL: 'llama', FLAG: 'on', TIME: '12:30', NUMBER: '1_000' },
    secrets: { HF_TOKEN: SECRET },
    setup: 'pip install vllm\n',
    run: 'vllm serve "$MODEL" --port 8000',
  })
  const shown = skyPilotYaml(task, 'names-only')
  assert.ok(!shown.includes(SECRET))
  assert.match(shown, /HF_TOKEN: hidden/)
})

test('a secret that stands elsewhere is refused, without being quoted', () => {
  const { resources: _resources, ...rest } = task
  const wrong = [
    { ...rest, resources: {}, run: `serve --api-key ${SECRET}` },
    { ...rest, resources: {}, envs: { TOKEN: SECRET } },
    { ...rest, resources: {}, setup: `export HF_TOKEN=${SECRET}` },
  ]
  for (const input of wrong) {
    assert.throws(
      () => parseSkyPilotTask(input),
      (error: Error) => /HF_TOKEN/.test(error.message) && !error.message.includes(SECRET),
    )
  }
})

test('what is no task is refused with the field’s name', () => {
  const wrong: [SkyPilotTaskInput, RegExp][] = [
    [{ name: '', resources: {}, run: 'x' }, /name/],
    [{ name: 'a', resources: { infra: 'aws us-east-1' }, run: 'x' }, /resources\.infra/],
    [{ name: 'a', resources: { ports: [0] }, run: 'x' }, /resources\.ports\.0/],
    [{ name: 'a', resources: {}, envs: { 'A=B': 'x' }, run: 'x' }, /envs/],
    [{ name: 'a', resources: {}, run: '' }, /run/],
  ]
  for (const [input, message] of wrong) assert.throws(() => parseSkyPilotTask(input), message)
})

test('any text of an environment and a script arrives as it is', () => {
  // PyYAML knows neither control characters nor half surrogates; both are escaped, and are read back here.
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('no', '1e3', '0o7', '~', '=', '# x'),
  )
  fc.assert(
    fc.property(text, text, (value, script) => {
      const input = { name: 'a', resources: {}, envs: { VALUE: value }, run: `${script}x` }
      const read: unknown = parse(skyPilotYaml(parseSkyPilotTask(input), 'with-values'), { version: '1.1' })
      assert.deepEqual(read, { name: 'a', resources: {}, envs: { VALUE: value }, run: `${script}x` })
    }),
  )
})

test('names of clusters', () => {
  for (const name of ['cic-aws-us-east-1-h100-spot-a1b2c3', 'a', 'A.b_c'])
    assert.ok(isClusterName(name), name)
  for (const name of ['', '1a', 'a-', 'a*', 'a b', 'a\n', 'a'.repeat(121)])
    assert.ok(!isClusterName(name), name)
})

test('exceptions have the kinds that something is decided by', () => {
  assert.equal(skyPilotErrorKind('ResourcesUnavailableError'), 'no_capacity')
  assert.equal(skyPilotErrorKind('ClusterDoesNotExist'), 'cluster_does_not_exist')
  assert.equal(skyPilotErrorKind('ValueError'), 'bad_task')
  assert.equal(skyPilotErrorKind('RequestCancelled'), 'cancelled')
  assert.equal(skyPilotErrorKind('RequestInterruptedError'), 'request_lost')
  assert.equal(skyPilotErrorKind('toString'), 'failed')
  assert.equal(new SkyPilotError('failed', 'x').type, null)
})

test('shown text has no codes of a terminal and no secret, whatever surrounds it', () => {
  assert.equal(shownText('\u001b[31mred\u001b[0m \u001b]8;;http://x\u0007link', []), 'red link')
  assert.equal(shownMessage('x'.repeat(5_000), []).length, 2_001)
  const secret = fc.string({ minLength: 6, maxLength: 20 }).filter((value) => !value.includes('*'))
  fc.assert(
    fc.property(fc.string(), secret, fc.string(), (before, value, after) => {
      assert.ok(!shownText(`${before}|${value}|${after}`, [value]).includes(value))
    }),
  )
})
