import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { renderReport } from '../../../bench/load/html-report.js'
import { escapeText, markup, textOf } from '../../../bench/load/html-report/markup.js'
import { elementsOf } from './html-reader.js'
import { NO_VALUES, reportFixture } from './report-fixture.js'

const one = reportFixture({ seconds: 10 })
const stepped = reportFixture({ loads: [5, 10, 20], seconds: 9 })

test('every element is closed, in order, for one step and for several', () => {
  for (const report of [one, stepped]) assert.ok(elementsOf(renderReport(report)).length > 100)
})

test('the page needs nothing from elsewhere and holds no script', () => {
  const html = renderReport(one)
  for (const { name, attributes } of elementsOf(html)) {
    assert.ok(!['script', 'iframe', 'object', 'embed', 'img', 'base', 'form', 'a'].includes(name), name)
    for (const [attribute, value] of attributes) {
      assert.ok(
        !attribute.startsWith('on') && !['src', 'srcset', 'action', 'style'].includes(attribute),
        attribute,
      )
      if (attribute.endsWith('href')) assert.equal(value, 'data:,')
    }
  }
  assert.doesNotMatch(html, /@import|url\(/)
  // The address of what was tested, as text, and no other.
  assert.doesNotMatch(html.replaceAll('http://127.0.0.1:8080', ''), /https?:|\/\/\w/)
})

test('text of the report cannot become markup, wherever it stands', () => {
  const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;</style></title>`
  const html = renderReport({
    ...one,
    startedAt: attack,
    ended: 'interrupted',
    settings: { url: attack, model: attack, [attack]: attack, nested: { [attack]: [attack] } },
    environment: {
      ...one.environment,
      version: attack,
      commit: attack,
      node: attack,
      os: attack,
      processor: attack,
    },
    errors: [{ kind: attack, status: 500, code: attack, count: 3, example: attack }],
    totals: { ...one.totals, completed: 0, failed: 3 },
    generator: { ...one.generator, limited: attack },
  })
  const plain = renderReport({
    ...one,
    ended: 'interrupted',
    settings: { url: 'u', model: 'm', a: 'b', nested: {} },
    errors: [{ kind: 'k', status: 500, code: 'c', count: 3, example: 'e' }],
    totals: { ...one.totals, completed: 0, failed: 3 },
    generator: { ...one.generator, limited: 'l' },
  })
  const shape = (text: string): string[] =>
    elementsOf(text).map(({ name, attributes }) => [name, ...[...attributes.keys()]].join(' '))
  assert.deepEqual(shape(html), shape(plain))
  assert.ok(html.includes(escapeText(attack)))
})

test('a string in a template is escaped whatever it is, also one that looks like what the template makes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const html = textOf(markup`<p title="${text}">${text}</p>`)
      assert.deepEqual(
        elementsOf(html).map(({ name, attributes }) => [name, [...attributes.keys()]]),
        [['p', ['title']]],
      )
      assert.doesNotMatch(html.slice(3, -4), /<(?!\/p>$)/)
    }),
  )
})

test('a run whose generator was the limit, or that was interrupted, says so before any figure', () => {
  const html = renderReport({
    ...one,
    ended: 'interrupted',
    generator: { ...one.generator, limited: 'it used 97% of a processor' },
  })
  const figures = html.indexOf('class="tiles"')
  for (const words of ['The load generator was the limit', 'it used 97% of a processor', 'was interrupted'])
    assert.ok(html.indexOf(words) > 0 && html.indexOf(words) < figures, words)
  assert.doesNotMatch(renderReport(one), /role="alert"/)
})

test('each plot has a title and a description that it is labelled by, and each table headers', () => {
  const elements = elementsOf(renderReport(stepped))
  const ids = new Set(elements.map(({ attributes }) => attributes.get('id')))
  const plots = elements.filter(({ attributes }) => attributes.get('role') === 'img')
  assert.ok(plots.length >= 8)
  for (const { attributes } of plots)
    for (const id of attributes.get('aria-labelledby')?.split(' ') ?? ['none']) assert.ok(ids.has(id), id)
  const tables = elements.filter(({ name }) => name === 'table').length
  assert.equal(elements.filter(({ name }) => name === 'caption').length, tables)
  assert.ok(elements.filter(({ name }) => name === 'th').every(({ attributes }) => attributes.has('scope')))
})

test('no coordinate is broken, also for runs without a single answer, second, or spread', () => {
  const empty = {
    ...one,
    measuredSeconds: 0,
    slo: null,
    ttft: NO_VALUES,
    itl: NO_VALUES,
    e2e: NO_VALUES,
    steps: [],
    timeline: [],
    totals: { ...one.totals, sent: 0, completed: 0, good: null, goodputPerSecond: null },
  }
  const still = {
    ...one,
    timeline: one.timeline.map((second) => ({
      ...second,
      ...{ completed: 0, completionTokens: 0, open: 0, ttftP50: null, ttftP99: null, itlP50: 0, itlP99: 0 },
    })),
  }
  for (const report of [empty, still, one, stepped, reportFixture({ seconds: 1, requestsPerSecond: 1 })])
    assert.doesNotMatch(renderReport(report), /NaN|Infinity|undefined|null/)
})

test('a run of hours stays a page of some hundred points a plot', () => {
  const hours = one.timeline.slice(-1).flatMap((second) =>
    Array.from({ length: 7_200 }, (_, at) => ({
      ...second,
      second: at,
      ttftP99: at === 4_000 ? 9e6 : 1_000,
    })),
  )
  const html = renderReport({ ...one, measuredSeconds: 7_200, timeline: hours })
  const [plots = ''] = html.split('<details>')
  assert.ok(plots.length < 1_000_000, `${plots.length} characters`)
  assert.match(plots, /Each point stands for 24 seconds/)
  assert.match(plots, /p99 9 s/, 'the worst second is still seen')
})
