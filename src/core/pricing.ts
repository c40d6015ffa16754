import type { Prices } from './snapshot.js'
import type { TokenCounts } from './usage-record.js'

/** Below this a double's spacing (1e-4 after ÷ 1,000) cannot carry the floor over an integer. */
const EXACT_BELOW = 1e15

/**
 * Cost of a request in integer nano-dollars: prices are micro-dollars per million tokens, so the weighted sum
 * ÷ 1,000, rounded half up once. Exact for every input: sums past 2^53 are computed in BigInt.
 */
export function costNanos(tokens: Readonly<TokenCounts>, prices: Prices): bigint {
  const sum = microSum(tokens, prices)
  if (sum < EXACT_BELOW) return BigInt(roundedNanos(sum))
  return exactNanos(tokens, prices)
}

/** The same as a number, for budgets: exact below 2^53, which is nine million dollars. */
export function costNumber(tokens: Readonly<TokenCounts>, prices: Prices): number {
  const sum = microSum(tokens, prices)
  return sum < EXACT_BELOW ? roundedNanos(sum) : Number(exactNanos(tokens, prices))
}

function microSum(tokens: Readonly<TokenCounts>, prices: Prices): number {
  const cached = Math.min(tokens.cachedTokens, tokens.promptTokens)
  const cachedPrice = prices.cachedInputMicros ?? prices.inputMicros
  return (
    (tokens.promptTokens - cached) * prices.inputMicros +
    cached * cachedPrice +
    tokens.completionTokens * prices.outputMicros
  )
}

function roundedNanos(microSum: number): number {
  return Math.floor((microSum + 500) / 1000)
}

function exactNanos(tokens: Readonly<TokenCounts>, prices: Prices): bigint {
  const cached = Math.min(tokens.cachedTokens, tokens.promptTokens)
  const cachedPrice = prices.cachedInputMicros ?? prices.inputMicros
  const exact =
    BigInt(tokens.promptTokens - cached) * BigInt(prices.inputMicros) +
    BigInt(cached) * BigInt(cachedPrice) +
    BigInt(tokens.completionTokens) * BigInt(prices.outputMicros)
  return (exact + 500n) / 1000n
}
