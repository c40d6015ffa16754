/**
 * Where a node may be. The addresses are the admin's, loopback and private networks included, but the link-local range
 * and the clouds' metadata services hand out credentials and are never a node.
 */
const METADATA_NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'instance-data',
  'instance-data.ec2.internal',
])
/** Alibaba, Azure's wire server, Oracle. */
const METADATA_V4 = new Set(['100.100.100.200', '168.63.129.16', '192.0.0.192'])
/** EC2's over IPv6, as eight groups. */
const METADATA_V6 = new Set(['fd00:ec2:0:0:0:0:0:254'])

/** What is wrong with a node's URL, to follow "Invalid 'endpoint_url':"; null when nothing is. */
export function nodeUrlProblem(text: string): string | null {
  if (!/^https?:\/\/[^\s]+$/i.test(text) || !URL.canParse(text)) return 'expected http(s)://host:port'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || text.includes('@')) {
    return 'credentials do not belong into the URL; use api_key'
  }
  if (url.pathname !== '/' || /[?#]/.test(text))
    return 'expected no path, query or fragment: the API is under /v1'
  if (url.port === '0') return 'expected a port'
  return isForbiddenNodeHost(url.hostname) ? 'link-local and metadata addresses are not allowed' : null
}

/** A node's URL in one spelling: `scheme://host:port` without a trailing slash. The URL must have no problem. */
export function normalNodeUrl(text: string): string {
  return new URL(text).origin
}

/**
 * Whether a host name, or an address that a name resolved to, is link-local or a metadata service. To be asked again on
 * connecting, since a name can come to mean another address.
 */
export function isForbiddenNodeHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (METADATA_NAMES.has(name)) return true
  const groups = ipv6Groups(name)
  return groups === null ? isForbiddenV4(name) : isForbiddenV6(groups)
}

function isForbiddenV4(address: string): boolean {
  return /^169\.254\.\d+\.\d+$/.test(address) || METADATA_V4.has(address)
}

function isForbiddenV6(groups: readonly number[]): boolean {
  const [first = 0, second, , , , sixth, high = 0, low = 0] = groups
  if ((first & 0xffc0) === 0xfe80) return true
  if (METADATA_V6.has(groups.map((group) => group.toString(16)).join(':'))) return true
  // IPv4 in IPv6: mapped, compatible, NAT64 and 6to4.
  const v4 = (one: number, two: number) => isForbiddenV4([one >> 8, one & 255, two >> 8, two & 255].join('.'))
  const zeros = groups.slice(0, 5).every((group) => group === 0)
  if (zeros && (sixth === 0xffff || sixth === 0)) return v4(high, low)
  if (first === 0x64 && second === 0xff9b) return v4(high, low)
  return first === 0x2002 && v4(second ?? 0, groups[2] ?? 0)
}

/** The eight groups of an IPv6 address, in brackets or not, with a zone or not; null when it is none. */
function ipv6Groups(host: string): number[] | null {
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (!bare.includes(':') || !URL.canParse(`http://[${bare}]/`)) return null
  // The URL parser writes every address in its one short form: hexadecimal, the longest run of zeros as `::`.
  const [head = '', tail] = new URL(`http://[${bare}]/`).hostname.slice(1, -1).split('::')
  const numbers = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)))
  const before = numbers(head)
  if (tail === undefined) return before
  const after = numbers(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}
