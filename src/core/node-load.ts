/**
 * Requests at one node: our own, exactly; those of the other proxies, by what they last told; and what the engine counts
 * beyond all of those, from clients that go past the gateway or from proxies that cannot be heard.
 *
 * The engine's count holds everybody's requests, so it must not be added to the others: only what exceeds ours and
 * theirs is. It was also read some moments ago, when requests that have ended since were at the node: hence it is held
 * against the most that we and they had between this look and the one before the last, not against what is now. A
 * request that nobody has any more is out of all three terms within two looks.
 */
export class NodeLoad {
  #own = 0
  #ownPeak = 0
  #ownPeakBefore = 0
  #others = 0
  #othersPeak = 0
  #othersPeakBefore = 0
  #unaccounted = 0

  /** Our own. */
  get own(): number {
    return this.#own
  }

  /** Known to be the gateway's: our own and the other proxies'. */
  get gateway(): number {
    return this.#own + this.#others
  }

  get total(): number {
    return this.#own + this.#others + this.#unaccounted
  }

  enter(): void {
    this.#own++
    if (this.#own > this.#ownPeak) this.#ownPeak = this.#own
  }

  leave(): void {
    this.#own--
  }

  /** What the other proxies have there now, as far as it is known. @returns whether it is less than before */
  setOthers(others: number): boolean {
    const less = others < this.#others
    this.#others = others
    if (others > this.#othersPeak) this.#othersPeak = others
    return less
  }

  /** The engine's count was read; once a second. @param atNode running and waiting, 0 when not known */
  look(atNode: number): void {
    this.told(atNode)
    this.#ownPeakBefore = this.#ownPeak
    this.#ownPeak = this.#own
    this.#othersPeakBefore = this.#othersPeak
    this.#othersPeak = this.#others
  }

  /** The engine told its count in between. */
  told(atNode: number): void {
    const ours = Math.max(this.#ownPeak, this.#ownPeakBefore)
    const theirs = Math.max(this.#othersPeak, this.#othersPeakBefore)
    this.#unaccounted = Math.max(0, atNode - ours - theirs)
  }
}
