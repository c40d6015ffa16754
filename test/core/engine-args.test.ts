import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkEngineArgs, type EngineArgsRule } from '../../src/core/engine-args.js'
import { GatewayError } from '../../src/core/errors.js'

const RULE: EngineArgsRule = {
  refuse: ['--trust-remote-code', '--uds'],
  values: /^(?:[A-Za-z0-9._/:=,@+-]{1,200})$/u,
}

/** The argument that is refused; null: none is. */
function refused(args: readonly string[]): string | null {
  try {
    checkEngineArgs(args, RULE)
    return null
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error))
    assert.equal(error.code, 'invalid_parameter')
    assert.ok(error.message.includes(`'${error.param ?? ''}'`))
    return error.param
  }
}

test('flags and values of flags are taken', () => {
  for (const args of [
    [],
    ['--enable-prefix-caching'],
    ['--max-model-len', '4096', '--gpu-memory-utilization=0.9'],
    ['--cuda-graph-sizes', '1', '2', '4'],
    ['--seed', '-1'],
    ['--model-impl', 'vllm'],
    ['--config-format=hf'],
    ['--hf_overrides.a.b', 'c'],
  ])
    assert.equal(refused(args), null, args.join(' '))
})

test('everything else is refused, by its place', () => {
  const cases: [string[], number][] = [
    [['model'], 0],
    [['--x=b', 'c'], 1],
    [['-tp', '2'], 0],
    [['--x', '-p'], 1],
    [['--'], 0],
    [['--=x'], 0],
    [['---x'], 0],
    [['--x b'], 0],
    [['--x', 'b c'], 1],
    [['--x', '$(id)'], 1],
    [['--x={{port}}'], 0],
    [['--x='], 0],
    [['--x', ''], 1],
    [['--x\n'], 0],
    [['--x', 'b\n'], 1],
  ]
  for (const [args, at] of cases) assert.equal(refused(args), `engine_args[${at}]`, JSON.stringify(args))
})

test("host, port, keys and model stay the gateway's, however they are written", () => {
  const flags = [
    '--host',
    '--port=1',
    '--PORT',
    '--po',
    '--h',
    '--api-key=x',
    '--api_key=x',
    '--api',
    '--api-key-file',
    '--served-model-name=x',
    '--served_model',
    '--model=x',
    '--model-path=x',
    '--config=x',
    '--config.x=y',
    '--trust_remote_code',
    '--trust',
    '--uds',
    '--ud=x',
  ]
  for (const flag of flags) assert.equal(refused([flag]), 'engine_args[0]', flag)
})

test("whatever is taken has the shape of flags and values, and no name of the gateway's", () => {
  const word = fc.oneof(
    fc.string(),
    fc.string().map((text) => `--${text}`),
    fc.constantFrom('--host', '--x', '--x=b', 'value', '1', '-1', '--hos', '--port', '--port-range', '--x_y'),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      if (refused(args) !== null) return
      for (const argument of args) {
        assert.match(
          argument,
          /^(--[A-Za-z0-9][A-Za-z0-9._-]*(=[\w./:=,@+-]+)?|-\d[\w./:=,@+-]*|[\w./:=,@+][\w./:=,@+-]*)$/,
        )
        if (!argument.startsWith('--')) continue
        const flag = argument.replace(/=.*/, '').replaceAll('_', '-').toLowerCase()
        for (const own of ['--host', '--port', '--api-key', '--model'])
          assert.ok(!own.startsWith(flag), argument)
      }
    }),
  )
})
