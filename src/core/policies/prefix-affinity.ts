import { BlockMemory } from './block-memory.js'
import { leastLatency } from './least-latency.js'
import { candidateAt, type Candidate, type Policy } from './policy.js'
import { draw, nodeHashOf } from './rendezvous.js'

/** Of a route, in each proxy: 4 MB, for some 100 MB of prompts. */
const MAX_BLOCKS = 2 ** 17
/** A node with more than this many times the mean load, over a while, gets nothing that is not bound to it ... */
const LOAD_BOUND = 1.15
/** ... by more than chance where loads are small. */
const LOAD_SLACK = 0.5
/** No node gets more than this many times the mean load at any time. */
const PEAK_BOUND = 2
/** A load counts for about so many picks per candidate. */
const LOAD_MEMORY = 32
/** A beginning after which so many requests went on differently is shared: a system prompt, not a conversation. */
const LEAST_FORKS = 3
/** A shared beginning gets so many times the nodes that its share of the requests would fill. */
const SPREAD = 16
/** Nodes that were no candidate for so many picks are forgotten. */
const FORGET_AFTER = 4_096

/** A node as the policy knows it. */
interface Known {
  /** Never given to another node, so that what is remembered of one that is gone finds nobody. */
  readonly number: number
  readonly hash: number
  lastSeen: number
  /** Decayed average of its load. */
  meanLoad: number
  /** Of this pick: its place among the candidates, and what it drew. */
  at: number
  drawn: number
  hasRoom: boolean
}

/**
 * Sends a prompt to the node that has most of it in its prefix cache, as far as that can be told from what was sent
 * where.
 *
 * A prompt belongs to the node that its first block draws by rendezvous hashing, so all proxies agree without talking,
 * and a node that joins takes its share of the prompts and moves no others. A beginning that goes on in many ways, as a
 * system prompt does, belongs to as many nodes as its share of the requests asks for, and the block behind it draws one
 * of these: so conversations spread, and each stays where it is.
 *
 * A node that has had more than its share of the load passes a prompt on to the next in the draw, and what is remembered
 * of the blocks sends the prompt's continuations after it. Where nobody has room, and for a prompt without a block,
 * least-latency decides. ADR 0017 has the reasons, and what was tried.
 */
export function createPrefixAffinity(maxBlocks = MAX_BLOCKS): Policy {
  const memory = new BlockMemory(maxBlocks)
  const nodes = new Map<string, Known>()
  let picks = 0
  let nextNumber = 0
  /** Reused for every pick: the candidates in their order, and those that the prompt may belong to. */
  const known: Known[] = []
  const owners: Known[] = []

  function knownOf(id: string): Known {
    let node = nodes.get(id)
    if (node === undefined) {
      const hash = nodeHashOf(id)
      node = { number: nextNumber++, hash, lastSeen: 0, meanLoad: 0, at: 0, drawn: 0, hasRoom: false }
      nodes.set(id, node)
    }
    node.lastSeen = picks
    return node
  }

  /** Bounded load, as in "Consistent Hashing with Bounded Loads" (2017), by a mean over time as well. */
  function look(candidates: readonly Candidate[]): void {
    const count = candidates.length
    let load = 1
    let meanLoad = 0
    known.length = count
    for (let at = 0; at < count; at++) {
      const candidate = candidateAt(candidates, at)
      const node = knownOf(candidate.id)
      node.at = at
      node.meanLoad += (candidate.load - node.meanLoad) / (LOAD_MEMORY * count)
      load += candidate.load
      meanLoad += node.meanLoad / count
      known[at] = node
    }
    const most = Math.ceil((PEAK_BOUND * load) / count)
    const mostMean = LOAD_BOUND * meanLoad + LOAD_SLACK
    for (const node of known) {
      const candidate = candidateAt(candidates, node.at)
      node.hasRoom = node.meanLoad <= mostMean && candidate.load + 1 <= most * candidate.warmth
    }
  }

  /** Leaves in `owners` who the prompt may belong to. Returns the block that draws one; none for a shared prompt. */
  function narrow(hashes: readonly number[]): number | undefined {
    let key = hashes[0]
    owners.length = 0
    owners.push(...known)
    for (let at = 0; at < hashes.length; at++) {
      const hash = hashes[at] ?? 0
      const place = memory.find(hash)
      if (place < 0) break
      if (memory.forksAt(place) < LEAST_FORKS) continue
      const most = Math.ceil(memory.shareAt(place) * known.length * SPREAD)
      if (most <= 1) break
      key = hashes[at + 1]
      if (most >= owners.length) continue
      rank(owners, hash)
      owners.length = most
    }
    return key
  }

  /** The node that got the longest remembered beginning last; none where that is shared. */
  function lastOwner(hashes: readonly number[], key: number): Known | undefined {
    let place = memory.find(key)
    if (place < 0) return undefined
    for (let at = hashes.indexOf(key) + 1; at < hashes.length; at++) {
      const next = memory.find(hashes[at] ?? 0)
      if (next < 0) break
      place = next
    }
    const number = memory.ownerAt(place)
    return known.find((node) => node.number === number)
  }

  /** Those with room that the prompt may belong to, else all with room, else all. */
  function openOnes<C extends Candidate>(candidates: readonly C[]): readonly C[] {
    for (const group of [owners, known]) {
      const open = group.filter(({ hasRoom }) => hasRoom)
      if (open.length > 0) return open.map(({ at }) => candidateAt(candidates, at))
    }
    return candidates
  }

  function choose(hashes: readonly number[]): Known | undefined {
    const key = narrow(hashes)
    if (key === undefined) return undefined
    const last = lastOwner(hashes, key)
    if (last?.hasRoom === true) return last
    let best: Known | undefined
    for (const owner of owners) {
      if (!owner.hasRoom) continue
      owner.drawn = draw(key, owner.hash)
      if (best === undefined || owner.drawn > best.drawn) best = owner
    }
    return best
  }

  return (candidates, request, random) => {
    const hashes = request.prefix()
    if (hashes.length === 0 || candidates.length === 0) return leastLatency(candidates, request, random)
    picks++
    if (picks % FORGET_AFTER === 0) forgetNodes(nodes, picks)
    memory.tick()
    look(candidates)
    let chosen = choose(hashes)
    if (chosen === undefined) {
      chosen = knownOf(leastLatency(openOnes(candidates), request, random).id)
    }
    memory.record(hashes, chosen.number)
    return candidateAt(candidates, chosen.at)
  }
}

function forgetNodes(nodes: Map<string, Known>, picks: number): void {
  for (const [id, { lastSeen }] of nodes) if (picks - lastSeen >= FORGET_AFTER) nodes.delete(id)
}

/** Sorts by what the nodes draw for a key, the winner first. */
function rank(owners: Known[], key: number): void {
  for (const owner of owners) owner.drawn = draw(key, owner.hash)
  owners.sort((a, b) => b.drawn - a.drawn)
}
