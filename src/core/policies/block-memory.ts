/** What is remembered stands in groups of so many places; in a full group the place that was used least recently goes. */
const WAYS = 8
const FIRST_CAPACITY = 1_024
/** A use of a block counts half after so many requests. */
const HALF_LIFE = 4_096
const GROWTH = 2 ** (1 / HALF_LIFE)
/** Uses are scaled back when a new one weighs this much, long before a 32-bit float overflows. */
const MOST_WEIGHT = 2 ** 64
/** Shares of fewer requests would be chance: so many others are thought to have been before. */
const PRIOR_REQUESTS = 256

const EMPTY = -1
const NONE = -1

/**
 * Remembers of prompts' blocks, by hash, which node got each last and what share of the requests had it. Bounded: it
 * grows up to `maxBlocks`, 28 bytes each, then forgets what was not used for long. Every call takes the same few steps.
 */
export class BlockMemory {
  readonly #maxBlocks: number
  #capacity = 0
  #size = 0
  /** Requests so far: the clock. */
  #now = 0
  /** What a use weighs now. It grows where older ones would have to decay, which spares a power for each block. */
  #weight = 1
  /** Weight of all requests. */
  #requests = PRIOR_REQUESTS
  #hashes = new Float64Array(0)
  #usedAt = new Float64Array(0)
  #owners = new Int32Array(0)
  /** Weight of the requests that had the block. */
  #uses = new Float32Array(0)
  /** Weight of those that went on after it as none before. */
  #forks = new Float32Array(0)

  /** @param maxBlocks a power of two, at least 8 */
  constructor(maxBlocks: number) {
    this.#maxBlocks = maxBlocks
    this.#allocate(Math.min(FIRST_CAPACITY, maxBlocks))
  }

  /** Blocks that are remembered. */
  get size(): number {
    return this.#size
  }

  /** Begins a request. */
  tick(): void {
    this.#now++
    this.#weight *= GROWTH
    if (this.#weight > MOST_WEIGHT) this.#scaleBack()
    this.#requests += this.#weight
  }

  /** Where the block is remembered until the next `record`; negative when it is not. */
  find(hash: number): number {
    const first = this.#groupOf(hash)
    for (let place = first; place < first + WAYS; place++) if (this.#hashes[place] === hash) return place
    return NONE
  }

  /** The node that got the block last. */
  ownerAt(place: number): number {
    return this.#owners[place] ?? NONE
  }

  /** The share of the latest requests that had the block: 0 to 1. */
  shareAt(place: number): number {
    return (this.#uses[place] ?? 0) / this.#requests
  }

  /** How many of the latest requests went on after the block as none before; 1 is a conversation's next turn. */
  forksAt(place: number): number {
    return (this.#forks[place] ?? 0) / this.#weight
  }

  /** The node `owner` gets a prompt. */
  record(hashes: readonly number[], owner: number): void {
    while (2 * (this.#size + hashes.length) > this.#capacity && this.#capacity < this.#maxBlocks) this.#grow()
    let before = NONE
    for (const hash of hashes) {
      let place = this.find(hash)
      if (place < 0) {
        if (before >= 0) this.#forks[before] = (this.#forks[before] ?? 0) + this.#weight
        place = this.#add(hash)
      }
      this.#owners[place] = owner
      this.#usedAt[place] = this.#now
      this.#uses[place] = (this.#uses[place] ?? 0) + this.#weight
      before = place
    }
  }

  #add(hash: number): number {
    const place = this.#vacate(hash)
    this.#hashes[place] = hash
    this.#uses[place] = 0
    this.#forks[place] = 0
    return place
  }

  /** Hashes are evenly spread already. */
  #groupOf(hash: number): number {
    return (hash | 0) & (this.#capacity - WAYS)
  }

  /** A free place of the hash's group, or that of the block which was used least recently. */
  #vacate(hash: number): number {
    const first = this.#groupOf(hash)
    let oldest = first
    for (let place = first; place < first + WAYS; place++) {
      if (this.#hashes[place] === EMPTY) {
        this.#size++
        return place
      }
      if ((this.#usedAt[place] ?? 0) < (this.#usedAt[oldest] ?? 0)) oldest = place
    }
    return oldest
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity
    this.#size = 0
    this.#hashes = new Float64Array(capacity).fill(EMPTY)
    this.#usedAt = new Float64Array(capacity)
    this.#owners = new Int32Array(capacity)
    this.#uses = new Float32Array(capacity)
    this.#forks = new Float32Array(capacity)
  }

  #grow(): void {
    const [hashes, usedAt, owners] = [this.#hashes, this.#usedAt, this.#owners]
    const [uses, forks] = [this.#uses, this.#forks]
    this.#allocate(this.#capacity * 2)
    for (const [from, hash] of hashes.entries()) {
      if (hash === EMPTY) continue
      const place = this.#vacate(hash)
      this.#hashes[place] = hash
      this.#usedAt[place] = usedAt[from] ?? 0
      this.#owners[place] = owners[from] ?? NONE
      this.#uses[place] = uses[from] ?? 0
      this.#forks[place] = forks[from] ?? 0
    }
  }

  #scaleBack(): void {
    for (let place = 0; place < this.#capacity; place++) {
      this.#uses[place] = (this.#uses[place] ?? 0) / this.#weight
      this.#forks[place] = (this.#forks[place] ?? 0) / this.#weight
    }
    this.#requests /= this.#weight
    this.#weight = 1
  }
}
