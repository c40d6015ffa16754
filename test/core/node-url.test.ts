import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isForbiddenNodeHost, nodeUrlProblem, normalNodeUrl } from '../../src/core/node-url.js'

const good = [
  'http://127.0.0.1:8000',
  'http://localhost:8000',
  'https://gpu-1.example.com',
  'http://10.1.2.3:8000/',
  'http://[::1]:8000',
  'http://[fd12::7]:8000',
  'http://node_1:80',
]
for (const url of good) test(`takes ${url}`, () => assert.equal(nodeUrlProblem(url), null))

const bad = [
  'ftp://host:21',
  'host:8000',
  '',
  'http://',
  'http://user:secret@host:8000',
  'http://@host:8000',
  'http://host:8000/v1',
  'http://host:8000?x=1',
  'http://host:8000?',
  'http://host:8000#a',
  'http://host:0',
  'http://host:99999',
  'http://ho st:8000',
  'http://169.254.169.254',
  'http://169.254.0.1:8000',
  'http://0xA9FEA9FE/',
  'http://2852039166/',
  'http://0251.0376.0251.0376/',
  'http://[fe80::1]:8000',
  'http://[fd00:ec2::254]',
  'http://[::ffff:169.254.169.254]',
  'http://[64:ff9b::a9fe:a9fe]',
  'http://[2002:a9fe:a9fe::1]',
  'http://metadata.google.internal',
  'http://METADATA.google.internal./',
  'http://100.100.100.200',
]
for (const url of bad) test(`refuses ${url || 'nothing'}`, () => assert.notEqual(nodeUrlProblem(url), null))

test('every address of 169.254.0.0/16 and fe80::/10 is forbidden, however it is written', () => {
  const byte = fc.nat(255)
  const group = fc.nat(0xffff)
  fc.assert(
    fc.property(byte, byte, (a, b) => {
      assert.ok(isForbiddenNodeHost(`169.254.${a}.${b}`))
      assert.ok(isForbiddenNodeHost(`::ffff:169.254.${a}.${b}`))
    }),
  )
  fc.assert(
    fc.property(fc.nat(0x3f), fc.array(group, { minLength: 7, maxLength: 7 }), (low, rest) => {
      const text = [0xfe80 | low, ...rest].map((part) => part.toString(16)).join(':')
      assert.ok(isForbiddenNodeHost(text))
      assert.ok(isForbiddenNodeHost(`[${text}]`))
      assert.ok(isForbiddenNodeHost(`${text}%eth0`))
    }),
  )
})

test('any text gets an answer and not an exception', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.webUrl()), (text) => nodeUrlProblem(text) !== undefined))
})

test('one spelling for a URL', () => {
  assert.equal(normalNodeUrl('HTTP://Host:80/'), 'http://host')
  assert.equal(normalNodeUrl('http://[0:0::1]:8000/'), 'http://[::1]:8000')
})
