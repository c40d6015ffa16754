import type { Gateway } from '../gateway.js'

/**
 * The greatest event loop lag of the proxy processes since the last reading, in ms, as the gateway itself has it on
 * /metrics; null when it has none.
 */
export async function readEventLoopLag({ adminUrl }: Gateway): Promise<number | null> {
  const response = await fetch(`${adminUrl}/metrics`)
  return parseEventLoopLag(await response.text())
}

/** Reads it out of the text of /metrics: the maximum (quantile 1) over processes whose name begins with `proxy`. */
export function parseEventLoopLag(text: string): number | null {
  const lags = [...text.matchAll(/^\w*event_loop_lag_seconds\{([^}]*)\} (\S+)$/gm)]
    .filter(([, labels = '']) => /process="proxy/.test(labels) && labels.includes('quantile="1"'))
    .map(([, , seconds]) => Number(seconds) * 1000)
  return lags.length === 0 ? null : Math.max(...lags)
}
