/** Lines of what an engine printed that are told with the reason why it does not serve. */
export const TOLD_LINES = 5

/** Why, with what the engine printed last, if that is known; the end of it where that is long. */
export function toldReason(reason: string, lines: readonly string[], mostCharacters: number): string {
  const printed = lines.join(' | ').slice(-mostCharacters)
  return printed === '' ? reason : `${reason}; it printed last: ${printed}`
}
