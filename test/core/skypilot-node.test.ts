import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { parseLaunchTemplate } from '../../src/core/launch-template.js'
import { type SkyPilotNode, skyPilotNodeTask } from '../../src/core/skypilot-node.js'
import { shellWord } from '../../src/core/skypilot-shell.js'
import { skyPilotYaml } from '../../src/core/skypilot-task.js'
import { readLaunchTemplates } from '../../src/workers/launchers/launch-templates.js'
import { simulatedMachine } from '../support/skypilot/launcher.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const templates = await readLaunchTemplates(null)
const API_KEY = 'key-of-the-engine-4711'
const TOKEN = 'token-of-the-node-4711'
const HF_TOKEN = 'hf_of-somebody-4711'

function nodeOf(engine: string, change: Partial<SkyPilotNode['machine']> = {}): SkyPilotNode {
  const template = templates.get(engine)
  if (template === undefined) throw new Error('no such template')
  return {
    id: '01890000-0000-7000-8000-000000000001',
    clusterName: 'cic-aws-any-h100-spot-abcdef',
    machine: {
      ...simulatedMachine,
      engine: 'vllm',
      gpuType: 'H100',
      gpuCount: 8,
      model: 'meta/llama-70b',
      servedModelName: 'llama-70b',
      diskSizeGb: 512,
      ...change,
    },
    apiKey: API_KEY,
    token: TOKEN,
    template,
    controlUrl: 'https://control.example.com',
    hfToken: HF_TOKEN,
    packageRoot: '/opt/gateway/',
  }
}

test('asks for the machine, open at the port of its engine, that goes when it is idle', () => {
  assert.deepEqual(skyPilotNodeTask(nodeOf('vllm')).resources, {
    infra: 'aws/us-east-1',
    accelerators: 'H100:8',
    useSpot: true,
    diskSizeGb: 512,
    ports: [8000],
    anyOf: [],
    autodownMinutes: 10,
  })
})

test('several regions are tried in their order, any cloud has none, an instance type says what it has', () => {
  const places = (change: Partial<SkyPilotNode['machine']>) => {
    const { resources } = skyPilotNodeTask(nodeOf('vllm', change))
    const { infra, anyOf, instanceType, accelerators, useSpot } = resources
    return { infra, anyOf: anyOf.map((place) => place.infra), instanceType, accelerators, useSpot }
  }
  const gpus = { instanceType: undefined, accelerators: 'H100:8', useSpot: true }
  assert.deepEqual(places({ regions: ['us-east-1', 'us-west-2'] }), {
    ...gpus,
    infra: undefined,
    anyOf: ['aws/us-east-1', 'aws/us-west-2'],
  })
  assert.deepEqual(places({ regions: [] }), { ...gpus, infra: 'aws', anyOf: [] })
  assert.deepEqual(places({ provider: 'skypilot', regions: [] }), { ...gpus, infra: undefined, anyOf: [] })
  assert.deepEqual(places({ provider: 'skypilot' }), { ...gpus, infra: '*/us-east-1', anyOf: [] })
  assert.deepEqual(places({ instanceType: 'p5.48xlarge', market: 'on_demand' }), {
    infra: 'aws/us-east-1',
    anyOf: [],
    instanceType: 'p5.48xlarge',
    accelerators: undefined,
    useSpot: false,
  })
  assert.equal(places({ gpuType: null, gpuCount: 0 }).accelerators, undefined)
})

for (const engine of ['vllm', 'sglang', 'llama-cpp', 'simulated']) {
  test(`secrets of ${engine} are under secrets alone, and its command names them`, () => {
    const task = skyPilotNodeTask(nodeOf(engine))
    const takesHub = engine !== 'simulated'
    assert.deepEqual(task.secrets, {
      NODE_TOKEN: TOKEN,
      ENGINE_API_KEY: API_KEY,
      ...(takesHub && { HF_TOKEN }),
    })
    const shown = skyPilotYaml(task, 'names-only')
    for (const secret of [API_KEY, TOKEN, HF_TOKEN]) assert.ok(!shown.includes(secret))
    assert.match(task.run, /"\$ENGINE_API_KEY"/)
  })
}

test('an engine that can be installed is, in a release that is named; another has to be there', () => {
  assert.match(skyPilotNodeTask(nodeOf('vllm')).setup ?? '', /'vllm==\d+\.\d+\.\d+'/)
  assert.match(skyPilotNodeTask(nodeOf('sglang')).setup ?? '', /'sglang==\d+\.\d+\.\d+'/)
  assert.match(skyPilotNodeTask(nodeOf('llama-cpp')).setup ?? '', /command -v 'llama-server'/)
  assert.match(skyPilotNodeTask(nodeOf('simulated')).setup ?? '', /command -v 'node'/)
})

test('the GPUs of an instance type are counted where it runs', () => {
  const counted = nodeOf('vllm', { instanceType: 'p5.48xlarge', gpuType: null, gpuCount: 0 })
  assert.match(skyPilotNodeTask(counted).run, /--tensor-parallel-size' "\$SKYPILOT_NUM_GPUS_PER_NODE"/)
  assert.match(skyPilotNodeTask(nodeOf('vllm')).run, /--tensor-parallel-size' '8'/)
})

/** What an engine's stand-in is told, by running a task's own script in a real shell. */
function runOf(
  node: SkyPilotNode,
  home: string,
  path: string,
): { args: string[]; env: string[]; code: number } {
  // As it arrives: out of the document that SkyPilot reads.
  const task = parseTask(skyPilotYaml(skyPilotNodeTask(node), 'with-values'))
  const env = { ...task.envs, ...task.secrets, HOME: home, PATH: path, CONTROL_URL: 'http://127.0.0.1:1' }
  const { status, stdout, stderr } = spawnSync('sh', ['-c', task.run], { env })
  const [args = '', engineEnv = ''] = stdout.toString('utf8').split('\n\n')
  assert.equal(status, 7, stderr.toString('utf8'))
  return { args: args.split('\0').slice(0, -1), env: engineEnv.split('\0'), code: status }
}

function parseTask(yaml: string): {
  run: string
  envs: Record<string, string>
  secrets: Record<string, string>
} {
  const task: unknown = parse(yaml, { version: '1.1' })
  assert.ok(task !== null && typeof task === 'object' && 'run' in task && 'envs' in task && 'secrets' in task)
  const { run, envs, secrets } = task
  assert.ok(typeof run === 'string')
  return { run, envs: texts(envs), secrets: texts(secrets) }
}

function texts(value: unknown): Record<string, string> {
  assert.ok(value !== null && typeof value === 'object')
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

/** Prints its arguments and its environment, and ends with 7; `curl` never succeeds. */
async function stubs() {
  const folder = await temporaryFolder()
  const programs = join(folder.path, 'programs')
  mkdirSync(programs)
  const write = (name: string, script: string) => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(programs, name), 0o755)
  }
  write('engine', `printf '%s\\0' "$@"; printf '\\n\\n'; env -0; exit 7`)
  write('curl', 'exit 1')
  write('sleep', 'exec /bin/sleep 0.01')
  return { ...folder, path: `${programs}:/usr/bin:/bin`, home: folder.path }
}

const anyTemplate = parseLaunchTemplate(
  'any.yaml',
  `engine: vllm
command: [engine, '{{model}}', '--served={{served_model_name}}', '--key={{api_key}}', '--on={{host}}:{{port}}', "$(id) 'x'", '{{engine_args}}']
env: { TOLD: 'it is {{model}} "$HOME"' }
secrets: [{ name: api_key, env: ANY_KEY }, { name: hf_token, env: ANY_HUB, required: false }]
readiness: { path: /health, timeout_seconds: 10 }
engine_args: { values: '.*' }`,
)

/** What a template takes: no control characters, no halves of pairs; and what YAML carries. */
const printable = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("'", '"', '$', '\\', '`', ' ', '!', '*', ';', '&', '{', '}'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 30,
  })
  .filter((text) => !/[\p{Cc}\p{Cs}\u2028\u2029\ufffe\uffff]/u.test(text) && !text.startsWith('-'))

test('any model, name and argument reaches the engine as it is, with the secrets in their places', async () => {
  await using folder = await stubs()
  fc.assert(
    fc.property(printable, printable, fc.array(printable, { maxLength: 3 }), (model, served, values) => {
      const engineArgs = values.flatMap((value) => ['--flag', value])
      const node = {
        ...nodeOf('vllm', { model, servedModelName: served, engineArgs }),
        template: anyTemplate,
      }
      const { args, env } = runOf(node, folder.home, folder.path)
      assert.deepEqual(args, [
        model,
        `--served=${served}`,
        `--key=${API_KEY}`,
        '--on=0.0.0.0:8000',
        "$(id) 'x'",
        ...engineArgs,
      ])
      assert.ok(env.includes(`TOLD=it is ${model} "$HOME"`))
      assert.ok(env.includes(`ANY_KEY=${API_KEY}`) && env.includes(`ANY_HUB=${HF_TOKEN}`))
      assert.ok(!env.some((line) => line.startsWith('NODE_TOKEN=')))
    }),
    { numRuns: 40 },
  )
})

test('any text is one word of a shell, and that text', () => {
  fc.assert(
    fc.property(fc.array(printable, { minLength: 1, maxLength: 20 }), (values) => {
      const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${values.map(shellWord).join(' ')}`])
      assert.deepEqual(stdout.toString('utf8').split('\0').slice(0, -1), values)
    }),
    { numRuns: 60 },
  )
})

test('what YAML would not carry is refused, and so is a secret that stands in an argument', () => {
  assert.throws(() => skyPilotNodeTask(nodeOf('vllm', { model: 'a\u2028b' })), /YAML/)
  const model = `x-${API_KEY}`
  assert.throws(
    () => skyPilotNodeTask(nodeOf('vllm', { model })),
    (error: unknown) =>
      error instanceof Error && /secret/.test(error.message) && !error.message.includes(API_KEY),
  )
})
