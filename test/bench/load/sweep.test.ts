import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { renderSweep } from '../../../bench/load/html-report.js'
import { answerText } from '../../../bench/load/sweep/answer-text.js'
import { judge } from '../../../bench/load/sweep/judge.js'
import type { Answer } from '../../../bench/load/sweep/search.js'
import { sweepOf } from '../../../bench/load/sweep/sweep-options.js'
import type { SweepProbe, SweepReport } from '../../../bench/load/sweep/sweep-report.js'
import { eventually } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'
import { runBench, startBench } from './bench-command.js'
import { elementsOf } from './html-reader.js'
import { reportFixture } from './report-fixture.js'

const fixture = reportFixture({ seconds: 5 })

test('a run meets its SLO when enough requests were good and none failed, if its generator was not the limit', () => {
  const { totals, generator } = fixture
  const withGood = (good: number, failed = 0) => ({
    ...fixture,
    totals: { ...totals, sent: 200, good, failed },
  })
  assert.equal(judge(withGood(198), 0.99).verdict, 'met')
  assert.equal(judge(withGood(197), 0.99).verdict, 'missed')
  assert.equal(judge(withGood(199, 1), 0.99).verdict, 'missed')
  assert.equal(judge({ ...withGood(200), ended: 'interrupted' }, 0.99).verdict, 'interrupted')
  for (const good of [0, 200])
    assert.deepEqual(
      judge({ ...withGood(good), generator: { ...generator, limited: 'its loop lagged' } }, 0.99),
      {
        verdict: 'generator-limit',
        reason: 'its loop lagged',
      },
    )
  const left = { ...fixture, totals: { ...totals, sent: 200, aborted: 100, good: 99 } }
  assert.equal(judge(left, 0.99).verdict, 'met', 'requests that were left on purpose do not count')
})

const probe = (load: number, verdict: SweepProbe['verdict'], reason = '12% met the SLO'): SweepProbe => ({
  ...fixture,
  load: { kind: 'rate', requestsPerSecond: load },
  measuredSeconds: 50,
  totals: { ...fixture.totals, sent: load * 50, good: load * 50 },
  verdict,
  reason,
  seed: 1,
})

const sweepFixture = (answer: Answer, probes: readonly SweepProbe[]): SweepReport => ({
  format: 'crosslogic-sweep/1',
  startedAt: fixture.startedAt,
  settings: fixture.settings,
  environment: fixture.environment,
  slo: fixture.slo,
  share: 0.99,
  kind: 'rate',
  range: { from: 10, to: 100, whole: false, resolution: 0.05, repeats: 1 },
  probes,
  answer,
})

test('the answer claims no more than its runs show', () => {
  const text = (answer: Answer, probes: readonly SweepProbe[]): string =>
    answerText(sweepFixture(answer, probes)).join(' ')
  const met = probe(20, 'met')
  assert.match(
    text({ highest: 20, next: 40, ending: 'found' }, [met, probe(40, 'missed')]),
    /^20 requests\/s is the highest load that was tried .* At 40 requests\/s that was missed: 12% met the SLO\.$/,
  )
  assert.match(text({ highest: 100, next: null, ending: 'at-end' }, [met]), /the limit is higher/)
  assert.match(
    text({ highest: null, next: 10, ending: 'below-start' }, [probe(10, 'missed')]),
    /^At 10 .* was missed/,
  )
  assert.match(
    text({ highest: 20, next: 40, ending: 'generator-limit' }, [
      met,
      probe(40, 'generator-limit', 'it used 97%'),
    ]),
    /^Stopped at 40 .* load generator was the limit: it used 97%\. The server's limit is not below 20 /,
  )
  const few = { ...met, totals: { ...met.totals, sent: 50 } }
  assert.match(
    text({ highest: 20, next: 40, ending: 'found' }, [few, probe(40, 'missed')]),
    /Only 50 requests were sent at 20 requests\/s, .* Asked for 20 requests\/s, chance sent 1:/,
  )
})

test('a sweep is a page as well, its text escaped', () => {
  const attack = '<img src=x onerror=alert(1)>'
  const html = renderSweep(
    sweepFixture({ highest: 10, next: 20, ending: 'generator-limit' }, [
      probe(10, 'met'),
      probe(20, 'generator-limit', attack),
    ]),
  )
  const names = new Set(elementsOf(html).map(({ name }) => name))
  assert.ok(names.has('svg') && names.has('table') && !names.has('img'))
  assert.match(html, /role="alert"/)
  assert.doesNotMatch(html, /NaN|undefined/)
})

const Outcome = z.object({
  format: z.literal('crosslogic-sweep/1'),
  probes: z.array(
    z.object({ load: z.object({ requests: z.number() }), verdict: z.string(), seed: z.number() }),
  ),
  answer: z.object({ highest: z.number().nullable(), next: z.number(), ending: z.string() }),
})

/** A server that refuses every request beyond so many at once. */
async function startStrictServer(most: number): Promise<{ url: string } & AsyncDisposable> {
  let open = 0
  const server = createServer((request, response) => {
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (request.method === 'GET') {
      reply(200, { object: 'list', data: [{ id: 'm', object: 'model' }] })
      return
    }
    if (open === most) {
      reply(503, { error: { message: 'too many at once', code: 'overloaded' } })
      return
    }
    open += 1
    setTimeout(() => {
      open -= 1
      reply(200, {
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'yes' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 8, completion_tokens: 1, total_tokens: 9 },
      })
    }, 50)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = z.object({ port: z.number() }).parse(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('finds how many requests at once a server takes, and writes it down', async () => {
  await using server = await startStrictServer(2)
  await using folder = await temporaryFolder()
  const [out, page] = [join(folder.path, 'sweep.json'), join(folder.path, 'sweep.html')]
  const load = ['--url', server.url, '--no-stream', '--duration', '2s', '--warm-up', '100ms']
  const search = ['--concurrency', '1:8', '--slo', 'e2e=1m', '--out', out, '--report', page]
  const { code, output, errors } = await runBench(['sweep', ...load, ...search])
  assert.ok(code === 0 || code === 1, errors)
  const { probes, answer } = Outcome.parse(JSON.parse(await readFile(out, 'utf8')))
  // On a machine that has no processor left for the generator it says so, and knows less.
  if (answer.ending === 'generator-limit') assert.ok(answer.highest === null || answer.highest <= 2, output)
  else {
    assert.deepEqual(answer, { highest: 2, next: 3, ending: 'found' }, output)
    assert.deepEqual(
      probes.map(({ load: { requests } }) => requests),
      [1, 2, 4, 3],
    )
    assert.match(output, /^2 requests at once is the highest load that was tried/m)
    assert.match(output, /missed: \d+ of \d+ failed: .*too many at once/)
  }
  assert.equal(new Set(probes.map(({ seed }) => seed)).size, probes.length, 'no probe repeats prompts')
  assert.ok(elementsOf(await readFile(page, 'utf8')).some(({ name }) => name === 'svg'))
})

test('Ctrl-C prints what the sweep knows so far', async () => {
  await using server = await startStrictServer(2)
  const args = [
    '--url',
    server.url,
    '--no-stream',
    '--concurrency',
    '1:8',
    '--slo',
    'e2e=1m',
    '--duration',
    '60s',
  ]
  const sweep = startBench(['sweep', ...args])
  await eventually('the first run goes on', () => sweep.errors().includes('after 1 s'))
  sweep.child.kill('SIGINT')
  const { code, output } = await sweep.closed
  assert.equal(code, 130)
  assert.match(output, /^Interrupted at 1 requests at once\.$/m)
  assert.match(output, /^No load was tried to its end\.$/m)
})

test('reads its range, share and resolution, and leaves the rest to load', () => {
  const { plan, range, share } = sweepOf(
    [
      '--rate=2.5:80',
      '--slo',
      'ttft=500ms',
      '--share',
      '95%',
      '--model',
      'm',
      '--repeats',
      '3',
      '--warm-up',
      '1s',
    ],
    {},
  )
  assert.deepEqual(range, { from: 2.5, to: 80, whole: false, resolution: 0.05, repeats: 3 })
  assert.equal(share, 0.95)
  assert.equal(plan.model, 'm')
  assert.equal(plan.warmUpSeconds, 1)
  assert.deepEqual(plan.stages, [{ seconds: 10, from: 2.5, to: 2.5 }])
})

test('options that make no sense are refused with what to do', () => {
  const slo = ['--slo', 'ttft=500ms']
  const cases: [string[], RegExp][] = [
    [[...slo], /needs a range/],
    [['--rate', '1:10'], /needs an SLO/],
    [['--rate', '10', ...slo], /--rate takes FROM:TO/],
    [['--rate', '20:10', ...slo], /--rate takes FROM:TO/],
    [['--concurrency', '1.5:10', ...slo], /--concurrency takes FROM:TO/],
    [['--rate', '1:10', '--concurrency', '1:10', ...slo], /contradict/],
    [['--rate', '1:10', '--requests', '5', ...slo], /contradict/],
    [['--rate', '1:10', '--share', '101%', ...slo], /--share takes percent/],
    [['--rate', '1:10', '--repeats', '2', ...slo], /odd/],
    [['--rate', '1:10', '--share', ...slo], /--share needs a value/],
  ]
  for (const [args, words] of cases) {
    const refusal = { name: 'UsageError', message: words }
    assert.throws(() => sweepOf(args, {}), refusal, args.join(' '))
  }
})

test('an unknown option and a server that is not there are one line and exit code 2', async () => {
  const args = ['sweep', '--rate', '1:10', '--slo', 'ttft=500ms']
  const cases: [string, string, RegExp][] = [
    ['--nonsense', 'x', /nonsense/],
    ['--url', 'http://127.0.0.1:1', /127\.0\.0\.1:1/],
    ['--out', '/no/such/folder/x.json', /cannot write/],
  ]
  for (const [option, value, words] of cases) {
    const { code, output, errors } = await runBench([...args, option, value])
    assert.deepEqual([code, output], [2, ''], option)
    assert.match(errors, /^[^\n]+\n$/)
    assert.match(errors, words)
  }
})
