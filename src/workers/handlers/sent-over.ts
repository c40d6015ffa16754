/** The fields that were sent, over those that were there. What was not sent is missing or undefined; null is a value. */
export function sentOver<T extends object>(
  before: T,
  sent: { readonly [Name in keyof T]?: T[Name] | undefined },
): T {
  const given = Object.entries(sent).filter(([, value]) => value !== undefined)
  return { ...before, ...Object.fromEntries(given) }
}
