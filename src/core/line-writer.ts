/**
 * Puts one line together from parts, in a buffer that is used again. Hot path (bench: micro usage-line): long parts
 * that stay the same are copied as bytes, the short ones between them are text.
 */
export class LineWriter {
  #bytes = Buffer.allocUnsafeSlow(4096)
  #length = 0

  raw(part: Uint8Array): this {
    this.#reserve(part.length)
    this.#bytes.set(part, this.#length)
    this.#length += part.length
    return this
  }

  /**
   * ASCII text. Copied by the runtime: strings come in so many kinds that a loop over `charCodeAt` looks the method up
   * for every character (measured: 5 µs a line).
   */
  ascii(text: string): this {
    this.#reserve(text.length)
    this.#length += this.#bytes.write(text, this.#length, 'latin1')
    return this
  }

  /** A copy of what was written; the next line begins. */
  take(): Buffer {
    const line = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(line, 0, 0, this.#length)
    this.#length = 0
    return line
  }

  #reserve(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
