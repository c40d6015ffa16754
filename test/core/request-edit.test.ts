import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { dropFields, editRequest, fieldsToDrop } from '../../src/core/request-edit.js'
import { DROPPED_FIELDS, readRequestHead } from '../../src/core/request-head.js'
import {
  blank,
  jsonText,
  memberText,
  objectText,
  tight,
  type JsonText,
  type MemberText,
} from './json-text.js'

const text = (value: unknown): JsonText => ({ text: JSON.stringify(value), stringBytes: 0 })
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
const flag = fc.constantFrom(true, false, null)
const options = fc.oneof(
  fc.constant(null),
  fc.record(
    { include_usage: flag, continuous_usage_stats: flag, other: fc.jsonValue(), ['__proto__x']: flag },
    { requiredKeys: [], noNullPrototype: true },
  ),
)

/** A body that the head reader accepts, its members in any order. */
const bodies = fc
  .record({
    model: memberText(fc.constant('model'), name.map(text)),
    stream: fc.option(memberText(fc.constant('stream'), flag.map(text))),
    options: fc.option(memberText(fc.constant('stream_options'), options.map(text))),
    dropped: fc.uniqueArray(memberText(fc.constantFrom(...DROPPED_FIELDS), jsonText), {
      selector: ({ key }) => key,
    }),
    others: fc.uniqueArray(
      memberText(fc.constantFrom('messages', 'temperature', '__proto__', 'é', ''), jsonText),
      {
        selector: ({ key }) => key,
      },
    ),
    before: blank,
    after: blank,
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ model, stream, options: streamOptions, dropped, others, before, after, order }) => {
    const members = [model, stream, streamOptions, ...dropped, ...others]
      .filter((member) => member !== null)
      .map((member) => ({ member, rank: Number(order.next().value) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ member }) => member)
    return { members, before, after }
  })

function object(value: string): Record<string, unknown> {
  return JSON.parse(value) as Record<string, unknown>
}

test('replaces the model and merges stream_options, every other byte untouched', () => {
  const usages = fc.constantFrom('none' as const, 'final' as const, 'continuous' as const)
  fc.assert(
    fc.property(bodies, fc.option(name), usages, ({ members, before, after }, newName, usage) => {
      const body = Buffer.from(before + objectText(members) + after)
      const copy = Buffer.from(body)
      const head = readRequestHead(body)
      const upstreamModel = newName ?? head.model
      const edited = Buffer.concat(editRequest(body, head, { upstreamModel, usage })).toString()
      assert.deepEqual(body, copy)

      const original = object(copy.toString())
      const expected: Record<string, unknown> = { ...original, model: upstreamModel }
      const wanted = head.stream && usage !== 'none'
      const merged: Record<string, unknown> = {
        ...(original['stream_options'] as Record<string, unknown> | null),
        include_usage: true,
        ...(usage === 'continuous' ? { continuous_usage_stats: true } : {}),
      }
      if (wanted) expected['stream_options'] = merged
      assert.deepEqual(object(edited), expected)

      const member = `"stream_options":${JSON.stringify(merged)}`
      const present = members.some(({ key }) => key === 'stream_options')
      const write = (entry: MemberText): string => {
        if (entry.key === 'stream_options' && wanted) return entry.blanks[0] + member + entry.blanks[3]
        const renamed = entry.key === 'model' && upstreamModel !== head.model
        return (
          entry.blanks[0] +
          tight(renamed ? { ...entry, value: text(upstreamModel) } : entry) +
          entry.blanks[3]
        )
      }
      const prefix = wanted && !present ? `${member},` : ''
      assert.equal(edited, `${before}{${prefix}${members.map(write).join(',')}}${after}`)
    }),
    { numRuns: 1500 },
  )
})

test('drops the fields that no route allows, every other member untouched', () => {
  fc.assert(
    fc.property(bodies, fc.subarray([...DROPPED_FIELDS]), ({ members, before, after }, allowed) => {
      const body = Buffer.from(before + objectText(members) + after)
      const names = fieldsToDrop(readRequestHead(body), allowed)
      const kept = members.filter(({ key }) => !DROPPED_FIELDS.includes(key) || allowed.includes(key))
      assert.equal(names.length, members.length - kept.length)
      const edited = dropFields(body, names)
      assert.equal(edited.toString(), `{${kept.map(tight).join(',')}}`)
      assert.deepEqual(fieldsToDrop(readRequestHead(edited), allowed), [])
    }),
    { numRuns: 500 },
  )
})

test('hands the body on as it is when there is nothing to edit', () => {
  const body = Buffer.from('{"model":"m","stream":true}')
  const parts = editRequest(body, readRequestHead(body), { upstreamModel: 'm', usage: 'none' })
  assert.equal(parts.length, 1)
  assert.equal(parts[0], body)
})

test('drops every field of a body that holds nothing else', () => {
  assert.equal(
    dropFields(Buffer.from(' {"priority":1,"cache_salt":"x"} '), ['priority', 'cache_salt']).toString(),
    '{}',
  )
})
