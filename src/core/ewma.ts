/**
 * An exponentially decayed average over time. Time is an argument, in milliseconds on any steady clock, so
 * that it can be tested and simulated.
 */
export class DecayedAverage {
  readonly #halfLifeMs: number
  #value = 0
  #weight = 0
  #at = 0

  /** @param halfLifeMs after this long an observation counts half. */
  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  observe(value: number, nowMs: number): void {
    const kept = this.#weight * this.#decay(nowMs)
    this.#value = (this.#value * kept + value) / (kept + 1)
    this.#weight = kept + 1
    this.#at = nowMs
  }

  /** The average; null before the first observation. */
  get value(): number | null {
    return this.#weight === 0 ? null : this.#value
  }

  /** How much is known now: 1 for one fresh observation, nearing 0 as it grows old. */
  confidence(nowMs: number): number {
    return this.#weight * this.#decay(nowMs)
  }

  #decay(nowMs: number): number {
    return this.#weight === 0 ? 0 : 2 ** (-Math.max(0, nowMs - this.#at) / this.#halfLifeMs)
  }
}
