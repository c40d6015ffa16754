import { UsageError } from '../command.js'

/** The base URL with `/v1` at its end. @throws UsageError */
export function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new UsageError(`--url takes a URL like http://127.0.0.1:8080, not "${text}"`)
  if (url.username !== '' || url.password !== '')
    throw new UsageError('--url takes no user or password: use --key or --header')
  if (url.search !== '' || url.hash !== '') throw new UsageError('--url takes no query and no fragment')
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, '')
  return base.endsWith('/v1') ? base : `${base}/v1`
}

/** What the generator itself sets. */
const OWN_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'content-type',
  'transfer-encoding',
  'expect',
])

/** `NAME:VALUE`. @throws UsageError */
export function parseHeader(text: string): [string, string] {
  const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e]*)$/.exec(text) ?? []
  // Not the text itself: it may hold a secret.
  if (name === undefined || value === undefined) throw new UsageError('--header takes NAME:VALUE in ASCII')
  if (OWN_HEADERS.has(name.toLowerCase()))
    throw new UsageError(`--header cannot set ${name}: the generator does`)
  return [name, value.trim()]
}

const OWN_FIELDS = new Set(['model', 'messages', 'prompt', 'input', 'stream'])

/** `NAME=JSON`. @throws UsageError */
export function parseBodyField(text: string): [string, unknown] {
  const at = text.indexOf('=')
  const name = text.slice(0, Math.max(0, at))
  if (OWN_FIELDS.has(name)) throw new UsageError(`--body-field cannot set ${name}: other options do`)
  try {
    if (name !== '') return [name, JSON.parse(text.slice(at + 1))]
  } catch {
    // Told below.
  }
  throw new UsageError(
    `--body-field takes NAME=JSON like ignore_eos=true or stop='["END"]', not "${text.replaceAll('\n', ' ')}"`,
  )
}
