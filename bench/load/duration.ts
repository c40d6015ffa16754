const MILLISECONDS = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/** Milliseconds of `250us`, `500ms`, `10s`, `2m` or `1h`; a bare number is seconds. Null when it is none of them. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h)?$/.exec(text)
  const unit = MILLISECONDS.get(match?.[2] ?? 's')
  return match === null || unit === undefined ? null : Number(match[1]) * unit
}
