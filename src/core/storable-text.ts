/**
 * Text that every store takes, of what others have printed: Postgres refuses NUL, and in JSON half a surrogate pair, which
 * a cut leaves. Control characters but line breaks and tabs become spaces.
 */
export function storableText(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|\p{Cs}/gu, ' ')
}
