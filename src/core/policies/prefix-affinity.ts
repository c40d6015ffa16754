import { BlockMemory } from './block-memory.js'
import { leastLatency } from './least-latency.js'
import { candidateAt, type Candidate, type Policy } from './policy.js'
import { draw, nodeHashOf } from './rendezvous.js'

/** Of a route, in each proxy: 3 MB, about as many kilobytes of prompts. */
const MAX_BLOCKS = 2 ** 17
/** No node gets more than this many times the mean load. */
const ALPHA = +(process.env['AL'] ?? 0.125)
const OWN = +(process.env['OWN'] ?? 1.3)
const C2 = +(process.env['C2'] ?? 2)
const LOAD_BOUND = +(process.env['C'] ?? 1.25)
/** A prefix is spread over this many times the nodes that its share of the requests would fill. */
const SPREAD = +(process.env['SP'] ?? 2)
/** Nodes that were no candidate for so many picks are forgotten. */
const FORGET_AFTER = 4_096

/** A node as the policy knows it. */
interface Known {
  /** Never used again for another node, so that what is remembered of one that is gone finds nobody. */
  readonly number: number
  readonly hash: number
  lastSeen: number
  smooth: number
  /** Its place among the candidates of this pick. */
  at: number
  drawn: number
}

/**
 * Sends a prompt to the node that has most of it in its prefix cache, as far as that can be told from what was sent
 * where.
 *
 * A beginning that many requests share belongs to as many nodes as its share of the requests asks for, and a longer one
 * to some of these, down to one: a system prompt to a few, each conversation to one of the few. Which ones is drawn by
 * rendezvous hashing, so that all proxies agree without talking, a node that joins takes its share, and no other prompts
 * move. A prompt without a past belongs to the node that its first block draws.
 *
 * What was sent elsewhere, since its node had more than its share of the load, goes on there. Where nobody has room,
 * and for prompts of less than a block, least-latency decides. ADR 0017 has what else was tried.
 */
export function createPrefixAffinity(maxBlocks = MAX_BLOCKS): Policy {
  const memory = new BlockMemory(maxBlocks)
  const nodes = new Map<string, Known>()
  let picks = 0
  let nextNumber = 0
  /** Reused: who the prompt belongs to, as far as it was looked at. */
  let owners: Known[] = []

  function knownOf(id: string): Known {
    let known = nodes.get(id)
    if (known === undefined) {
      known = { number: nextNumber++, hash: nodeHashOf(id), lastSeen: picks, smooth: 0, at: 0, drawn: 0 }
      nodes.set(id, known)
    }
    known.lastSeen = picks
    return known
  }

  function forgetNodes(): void {
    for (const [id, { lastSeen }] of nodes) if (picks - lastSeen >= FORGET_AFTER) nodes.delete(id)
  }

  /** Narrows the owners down by the prompt's blocks. Returns the block that draws among them. */
  function narrow(hashes: readonly number[], count: number): number {
    let key = hashes[0] ?? 0
    for (const hash of hashes) {
      const place = memory.find(hash)
      const share = place < 0 ? 0 : memory.shareAt(place)
      const most = Math.ceil(share * count * SPREAD)
      key = hash
      if (most <= 1) break
      if (most >= owners.length) continue
      rank(owners, hash)
      owners.length = most
    }
    return key
  }

  return (candidates, request, random) => {
    picks++
    const hashes = request.prefix()
    if (picks % FORGET_AFTER === 0) forgetNodes()
    if (hashes.length === 0) return leastLatency(candidates, request, random)
    memory.tick()
    owners = []
    let meanSmooth = 0
    const hasRoom = roomIn(candidates, LOAD_BOUND)
    const hasRoom2 = roomIn(candidates, C2)
    for (let at = 0; at < candidates.length; at++) {
      const known = knownOf(candidateAt(candidates, at).id)
      known.at = at
      known.smooth += ((candidateAt(candidates, at).load) - known.smooth) * ALPHA / candidates.length
      meanSmooth += known.smooth / candidates.length
      owners.push(known)
    }
    const all = owners.slice()
    const key = narrow(hashes, candidates.length)
    rank(owners, key)
    let chosen: Known | undefined
    const place = lastPlace(memory, hashes)
    if (place >= 0 && memory.shareAt(place) * candidates.length * SPREAD <= 1) {
      const owner = all.find(({ number }) => number === memory.ownerAt(place))
      if (owner !== undefined && hasRoom2(candidateAt(candidates, owner.at)) && owner.smooth <= OWN * meanSmooth + 0.5) chosen = owner
    }
    chosen ??= owners.find(({ at, smooth }) => hasRoom2(candidateAt(candidates, at)) && smooth <= LOAD_BOUND * meanSmooth + 0.5)
    if (chosen === undefined) {
      const roomy = candidates.filter(hasRoom)
      const pick = leastLatency(roomy.length === 0 ? candidates : roomy, request, random)
      chosen = knownOf(pick.id)
    }
    for (const hash of hashes) memory.record(hash, chosen.number)
    return candidateAt(candidates, chosen.at)
  }
}

/** Whether a candidate may get one request more: bounded load, as in "Consistent Hashing with Bounded Loads" (2017). */
function roomIn(candidates: readonly Candidate[], LOAD_BOUND: number): (candidate: Candidate) => boolean {
  let load = 1
  for (const candidate of candidates) load += candidate.load
  const most = Math.ceil((LOAD_BOUND * load) / candidates.length)
  return (candidate) => candidate.load + 1 <= most * candidate.warmth
}

/** Where the longest remembered beginning ends. */
function lastPlace(memory: BlockMemory, hashes: readonly number[]): number {
  let last = -1
  for (const hash of hashes) {
    const place = memory.find(hash)
    if (place < 0) break
    last = place
  }
  return last
}

function rank(owners: Known[], key: number): void {
  for (const owner of owners) owner.drawn = draw(key, owner.hash)
  owners.sort((a, b) => b.drawn - a.drawn)
}
