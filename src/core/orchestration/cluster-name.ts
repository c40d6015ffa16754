import type { Machine } from '../machine.js'

/** A cluster name is at most so long: `nodes.cluster_name`. */
const LONGEST = 63
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
const OWN_LETTERS = 3
const RANDOM_LETTERS = 3

/** Of an installation's id: three letters by which it knows its machines among those of others at the same provider. */
export function installationCode(installation: string): string {
  let value = Number(BigInt(`0x${installation.replaceAll('-', '')}`) % BigInt(LETTERS.length ** OWN_LETTERS))
  let code = ''
  for (let at = 0; at < OWN_LETTERS; at++) {
    code += LETTERS.charAt(value % LETTERS.length)
    value = Math.floor(value / LETTERS.length)
  }
  return code
}

/**
 * A name for a machine: `cic-{provider}-{region}-{gpu}-{spot|od}-{6 characters}`, of which the first three of the six are
 * the installation's. What has no region or GPU of its own says `any` and `cpu`.
 * @param random 0 up to 1
 */
export function clusterNameFor(
  { provider, regions, gpuType, market }: Pick<Machine, 'provider' | 'regions' | 'gpuType' | 'market'>,
  installation: string,
  random: () => number,
): string {
  const [region = 'any', ...others] = regions
  const letters = Array.from({ length: RANDOM_LETTERS }, () =>
    LETTERS.charAt(Math.floor(random() * LETTERS.length)),
  )
  const end = `-${market === 'spot' ? 'spot' : 'od'}-${installationCode(installation)}${letters.join('')}`
  const begin = ['cic', provider, others.length > 0 ? 'any' : region, gpuType ?? 'cpu'].map(slug).join('-')
  return begin.slice(0, LONGEST - end.length).replace(/-+$/, '') + end
}

/** Whether a machine of this name was launched by the installation. */
export function isOurs(clusterName: string, installation: string): boolean {
  const end = clusterName.slice(-(OWN_LETTERS + RANDOM_LETTERS))
  return (
    /^cic-.+-(?:spot|od)-[a-z0-9]{6}$/.test(clusterName) && end.startsWith(installationCode(installation))
  )
}

function slug(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'any'
  )
}
