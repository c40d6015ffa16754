/** Money is integer micro-dollars inside and dollars, as JSON numbers, at the API's edge. */
const MICROS = 1_000_000

/** Micro-dollars of an amount in dollars; null when it is not a whole, safe number of them. */
export function microsOfDollars(dollars: number): number | null {
  const micros = Math.round(dollars * MICROS)
  return Number.isSafeInteger(micros) && micros / MICROS === dollars ? micros : null
}

/** Dollars of integer micro-dollars: the double nearest to the exact amount, which prints as that amount. */
export function dollarsOfMicros(micros: number): number {
  return micros / MICROS
}

/** Dollars of integer nano-dollars: the double nearest to the exact amount, also past 2^53. */
export function dollarsOfNanos(nanos: bigint): number {
  return Number(`${nanos}e-9`)
}

/** Dollars of integer nano-dollars as a decimal number, exactly, with nine digits behind the point. */
export function decimalOfNanos(nanos: bigint): string {
  const digits = (nanos < 0n ? -nanos : nanos).toString().padStart(10, '0')
  return `${nanos < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}`
}
