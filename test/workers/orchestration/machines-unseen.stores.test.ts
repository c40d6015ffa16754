import assert from 'node:assert/strict'
import { test } from 'node:test'
import pino from 'pino'
import type { Pool } from 'pg'
import { LaunchError, type Launcher } from '../../../src/workers/launchers/launcher.js'
import { unconfiguredLauncher } from '../../../src/workers/launchers/unconfigured-launcher.js'
import { placeMachine } from '../../../src/workers/orchestration/placement.js'
import { planNode, type PlannedNode } from '../../../src/workers/orchestration/plan-node.js'
import { tendMachines } from '../../../src/workers/orchestration/tend-machines.js'
import { modelBody, startContractPort } from '../../support/contract-port.js'

const TIMEOUT_MS = 600_000
const WANTED = {
  provider: 'aws',
  region: null,
  instance_type: null,
  gpu_type: null,
  engine: 'vllm',
  engine_args: [],
  use_spot: false,
  disk_size_gb: null,
}

/** One that says nothing of any machine. */
function silentLauncher(error: Error): Launcher {
  const notAsked = () => Promise.reject(new Error('it was asked for something'))
  return {
    kind: 'skypilot',
    hasAgents: true,
    lookEveryMs: 0,
    look: () => Promise.reject(error),
    launch: notAsked,
    remove: notAsked,
    machines: notAsked,
    lastLines: notAsked,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** A node of each kind that matters when nothing is seen of machines. */
async function plannedNodes(postgres: Pool, modelId: string) {
  const placement = await placeMachine(postgres, modelId, WANTED, 'on_demand')
  const plan = (changes = '') => planned(postgres, modelId, placement, changes)
  return {
    new: await plan(),
    asked: await plan('launch_asked_at = now()'),
    overdue: await plan("launch_asked_at = now(), created_at = now() - interval '1 hour'"),
    failed: await plan("status = 'failed'"),
    terminating: await plan("status = 'terminating', drained_at = now()"),
    serving: await plan("status = 'active', endpoint_url = 'http://10.0.0.1:8000', launch_asked_at = now()"),
    failedAfterAsk: await plan("status = 'failed', launch_asked_at = now()"),
  }
}

async function planned(
  postgres: Pool,
  modelId: string,
  placement: Awaited<ReturnType<typeof placeMachine>>,
  changes: string,
): Promise<PlannedNode> {
  const plan = { modelId, deploymentId: null, generation: 1, api: 'vllm', who: 'test', why: null } as const
  const node = await planNode(postgres, { ...plan, launcher: 'skypilot', placement })
  if (changes !== '') await postgres.query(`UPDATE nodes SET ${changes} WHERE id = $1`, [node.nodeId])
  return node
}

const CASES = [
  {
    why: 'does not answer',
    launcher: silentLauncher(new Error('connect ECONNREFUSED')),
    new: 'launching',
    overdue: 'nothing was heard of it within 600 s',
  },
  {
    why: 'may not be asked',
    launcher: silentLauncher(new LaunchError('unauthorized', 'the token has expired')),
    new: 'failed',
    overdue: 'the token has expired',
  },
  {
    why: 'is not configured any more',
    launcher: unconfiguredLauncher('skypilot', 'SKYPILOT_URL'),
    new: 'failed',
    overdue: 'no launcher is configured for it: SKYPILOT_URL is not set',
  },
]

for (const { why, launcher, ...becomes } of CASES) {
  test(`while a launcher ${why}, what was never asked for can end, and what is overdue has failed`, async () => {
    await using port = await startContractPort()
    const { postgres } = port.database
    const { body } = await port.send('POST', '/admin/models', modelBody({ vram_required_gb: 20 }))
    const nodes = await plannedNodes(postgres, body['id'] ?? '')
    await assert.rejects(
      tendMachines({
        postgres,
        launcher,
        launchTimeoutMs: TIMEOUT_MS,
        logger: pino({ level: 'silent' }),
        now: Date.now,
        record: () => {},
      }),
      becomes.new === 'failed' ? LaunchError : /ECONNREFUSED/,
    )
    const stateOf = async ({ nodeId }: PlannedNode) => {
      const query = 'SELECT status, machine_gone_at IS NOT NULL AS gone FROM nodes WHERE id = $1'
      const { rows } = await postgres.query<{ status: string; gone: boolean }>(query, [nodeId])
      return rows.map(({ status, gone }) => `${status}${gone ? ', gone' : ''}`).join()
    }
    assert.equal(await stateOf(nodes.new), becomes.new)
    assert.equal(await stateOf(nodes.asked), 'launching')
    assert.equal(await stateOf(nodes.overdue), 'failed')
    assert.equal(await stateOf(nodes.failed), 'failed, gone')
    assert.equal(await stateOf(nodes.terminating), 'terminated, gone')
    assert.equal(await stateOf(nodes.serving), 'active')
    assert.equal(await stateOf(nodes.failedAfterAsk), 'failed')
    const { rows } = await postgres.query('SELECT status, error FROM jobs WHERE id = $1', [
      nodes.overdue.jobId,
    ])
    assert.deepEqual(rows, [{ status: 'failed', error: becomes.overdue }])
  })
}
