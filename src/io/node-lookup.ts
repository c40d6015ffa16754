import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isForbiddenNodeHost } from '../core/node-url.js'

/**
 * Resolves a node's name for a connection, and refuses link-local and metadata addresses: a name that was harmless when
 * the node was registered may have come to mean one. For `net.connect({ lookup })` and the like.
 */
export const lookupNode: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '')
      return
    }
    const allowed = addresses.filter(({ address }) => !isForbiddenNodeHost(address))
    const [first] = allowed
    if (first === undefined)
      callback(new Error(`${hostname} resolves to no address that a node may have`), '')
    else if (options.all === true) callback(null, allowed)
    else callback(null, first.address, first.family)
  })
}
