import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLaunchTemplate } from '../../../src/core/launch-template.js'
import { readLaunchTemplates } from '../../../src/workers/launchers/launch-templates.js'
import {
  type ContractPort,
  deploymentBody,
  modelBody,
  refusal,
  startContractPort,
} from '../../support/contract-port.js'

/** A port that launches on this machine, by the templates of the package and two of an operator. */
async function startPort(): Promise<ContractPort> {
  const own = (engine: string, more: string) =>
    parseLaunchTemplate(
      'own.yaml',
      `engine: ${engine}\nreadiness: { path: /health, timeout_seconds: 5 }\n${more}`,
    )
  const patched = own('patched', "api: vllm\ncommand: [patched, '{{engine_args}}']")
  return startContractPort({
    launching: {
      templates: new Map([
        ...(await readLaunchTemplates(null)),
        ['plain', own('plain', 'command: [plain]')],
        ['patched', patched],
      ]),
      launcherFor: () => 'local',
    },
  })
}

/** What is wrong with an engine, and how it is refused. */
const CASES = [
  [{ engine: 'none-such' }, 404, 'not_found', 'engine'],
  [{ engine: 'openai' }, 404, 'not_found', 'engine'],
  [{ engine: '../vllm' }, 400, 'invalid_parameter', 'engine'],
  [{ engine: '' }, 400, 'invalid_parameter', 'engine'],
  [{ engine: null }, 400, 'invalid_parameter', 'engine'],
  [{ engine_args: ['--max-model-len', '8192', '--port=1'] }, 400, 'invalid_parameter', 'engine_args[2]'],
  [{ engine_args: ['8192'] }, 400, 'invalid_parameter', 'engine_args[0]'],
  [{ engine_args: ['--trust_remote'] }, 400, 'invalid_parameter', 'engine_args[0]'],
  [{ engine_args: ['--dtype', '$(id)'] }, 400, 'invalid_parameter', 'engine_args[1]'],
  [{ engine: 'plain', engine_args: ['--dtype'] }, 400, 'invalid_parameter', 'engine_args'],
] as const

test('an engine without a template, and arguments that its template does not allow, are refused before anything is written', async () => {
  await using port = await startPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const created = await port.send('POST', '/admin/deployments', deploymentBody('m'))
  const calls = [
    ['POST', '/admin/nodes/launch', { model_name: 'm', provider: 'local' }],
    ['POST', '/admin/deployments', deploymentBody('m')],
    ['PATCH', `/admin/deployments/${created.body['id']}`, {}],
  ] as const
  const rows = async () => {
    const { rows: all } = await port.database.postgres.query<{ at: string }>(
      `SELECT id::text AS at FROM nodes UNION ALL SELECT id::text FROM jobs UNION ALL SELECT updated_at::text FROM deployments
       UNION ALL SELECT count(*)::text FROM audit_log`,
    )
    return all.map(({ at }) => at)
  }
  const before = await rows()
  for (const [method, path, body] of calls) {
    for (const [changes, ...expected] of CASES) {
      const reply = await port.send(method, path, { ...body, ...changes })
      assert.deepEqual(refusal(reply), expected, `${method} ${path} ${JSON.stringify(changes)}`)
    }
  }
  assert.deepEqual(await rows(), before)
  const refused = await port.send('PATCH', calls[2][1], { engine: 'none-such' })
  assert.match(
    refused.body['error']?.['message'] ?? '',
    /no launch template for the engine 'none-such'; there is one for: llama-cpp, patched, plain, /,
  )
})

test('arguments that stay are held against the new engine, and those of a template that is gone stay as they are', async () => {
  await using port = await startPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const body = deploymentBody('m', { engine: 'patched', engine_args: ['--count', '2'] })
  const { id } = (await port.send('POST', '/admin/deployments', body)).body
  const path = `/admin/deployments/${id}`
  const refused = await port.send('PATCH', path, { engine: 'simulated' })
  assert.deepEqual(refusal(refused), [400, 'invalid_parameter', 'engine_args[0]'])
  const changed = await port.send('PATCH', path, { engine: 'simulated', engine_args: [] })
  assert.deepEqual(
    [changed.status, changed.body['engine'], changed.body['engine_args']],
    [200, 'simulated', []],
  )

  await port.database.postgres.query(
    `UPDATE deployments SET spec = spec || '{"engine": "gone", "engine_args": ["--port", "1"]}' WHERE id = $1`,
    [id],
  )
  const kept = await port.send('PATCH', path, { disk_size_gb: 20 })
  assert.deepEqual(
    [kept.status, kept.body['engine'], kept.body['engine_args']],
    [200, 'gone', ['--port', '1']],
  )
})

test("a node launched by a template of one's own is spoken to as the template says", async () => {
  await using port = await startPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  for (const [engine, api] of [
    ['patched', 'vllm'],
    ['plain', 'openai'],
    ['simulated', 'simulated'],
  ]) {
    const launched = await port.send('POST', '/admin/nodes/launch', {
      model_name: 'm',
      provider: 'local',
      engine,
    })
    assert.equal(launched.status, 202)
    const node = await port.send('GET', `/admin/nodes/${launched.body['cluster_name']}`)
    assert.equal(node.body['engine'], api)
    const { rows } = await port.database.postgres.query<{ engine: string }>(
      "SELECT machine->>'engine' AS engine FROM nodes WHERE id = $1",
      [launched.body['node_id']],
    )
    assert.equal(rows[0]?.engine, engine)
  }
})
