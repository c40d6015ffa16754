import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MachineWanted } from '../../../src/core/contract/machine.js'
import type { Market } from '../../../src/core/machine.js'
import { placeMachine } from '../../../src/workers/orchestration/placement.js'
import { type ContractPort, modelBody, startContractPort } from '../../support/contract-port.js'

const WANTED: MachineWanted = {
  provider: 'aws',
  region: null,
  instance_type: null,
  gpu_type: null,
  engine: 'vllm',
  engine_args: ['--max-model-len', '8192'],
  use_spot: false,
  disk_size_gb: 200,
}

async function placer(port: ContractPort, model: object) {
  const { body } = await port.send('POST', '/admin/models', modelBody(model))
  return (wanted: Partial<MachineWanted>, market: Market = 'on_demand') =>
    placeMachine(port.database.app, body['id'] ?? '', { ...WANTED, ...wanted }, market)
}

test('machines of the seeded catalogue: type, GPUs, regions and price', async () => {
  await using port = await startContractPort()
  const place = await placer(port, { name: 'm', size: '8B', vram_required_gb: 20 })
  const { machine, region, instanceTypeId, pricePerHourMicros } = await place({ region: 'eu-central-1' })
  assert.deepEqual(machine, {
    provider: 'aws',
    regions: ['eu-central-1'],
    instanceType: 'g5.xlarge',
    gpuType: 'A10G',
    gpuCount: 1,
    market: 'on_demand',
    engine: 'vllm',
    engineArgs: ['--max-model-len', '8192'],
    diskSizeGb: 200,
    model: 'm',
    servedModelName: 'm',
  })
  assert.deepEqual([region, pricePerHourMicros], ['eu-central-1', 1_257_500])
  const { rows } = await port.database.postgres.query('SELECT name FROM instance_types WHERE id = $1', [
    instanceTypeId,
  ])
  assert.deepEqual(rows, [{ name: 'g5.xlarge' }])

  const anywhere = await place({})
  assert.equal(anywhere.region, null)
  assert.equal(anywhere.pricePerHourMicros, 1_006_000)
  assert.ok(anywhere.machine.regions.length > 10)
  assert.ok(anywhere.machine.regions.includes('us-east-1'))
  assert.equal(anywhere.machine.regions.at(-1), 'ap-southeast-1', 'the dearest last')

  // Google Cloud has no A10G: the cheapest that holds the model.
  const elsewhere = await place({ provider: 'gcp' })
  assert.deepEqual([elsewhere.machine.instanceType, elsewhere.machine.gpuType], ['g2-standard-4', 'L4'])

  const spot = await place({}, 'spot')
  assert.deepEqual([spot.machine.market, spot.pricePerHourMicros], ['spot', null])

  const cloud = await place({ provider: 'skypilot', gpu_type: 'H100' })
  const { provider, regions, instanceType, gpuType, gpuCount } = cloud.machine
  assert.deepEqual([provider, regions, instanceType, gpuType, gpuCount], ['skypilot', [], null, 'H100', 1])
  assert.deepEqual([cloud.region, cloud.instanceTypeId, cloud.pricePerHourMicros], [null, null, 2_490_000])
})

test('a large model gets the GPUs that hold it, and this machine takes what it is given', async () => {
  await using port = await startContractPort()
  const source = { metadata: { source: '/models/large' } }
  const place = await placer(port, { name: 'large', size: '405B', vram_required_gb: 810, ...source })
  const { machine } = await place({ provider: 'aws' })
  assert.equal(machine.model, '/models/large')
  assert.equal(machine.instanceType, 'p5en.48xlarge')
  await assert.rejects(place({ gpu_type: 'H100' }), {
    code: 'invalid_parameter',
    param: 'gpu_type',
    message: "The model needs 810 GB of memory, the largest machine with the GPU 'H100' has 640 GB.",
  })
  const here = await place({ provider: 'local' })
  assert.deepEqual(
    [here.machine.instanceType, here.machine.gpuCount, here.region, here.pricePerHourMicros],
    ['host', 0, 'local', 0],
  )
})
