import type { Gateway } from '../gateway.js'

/** Of the lags since the last reading. */
export type LagQuantile = '0.99' | '1'

/**
 * The event loop lag of the proxy processes since the last reading, by default the greatest, in ms, as the gateway itself
 * has it on /metrics; null when it has none.
 */
export async function readEventLoopLag(
  { adminUrl }: Gateway,
  quantile: LagQuantile = '1',
): Promise<number | null> {
  const response = await fetch(`${adminUrl}/metrics`)
  return parseEventLoopLag(await response.text(), quantile)
}

/** Reads it out of the text of /metrics: the maximum over processes whose name begins with `proxy`. */
export function parseEventLoopLag(text: string, quantile: LagQuantile = '1'): number | null {
  const lags = [...text.matchAll(/^\w*event_loop_lag_seconds\{([^}]*)\} (\S+)$/gm)]
    .filter(([, labels = '']) => /process="proxy/.test(labels) && labels.includes(`quantile="${quantile}"`))
    .map(([, , seconds]) => Number(seconds) * 1000)
  return lags.length === 0 ? null : Math.max(...lags)
}
