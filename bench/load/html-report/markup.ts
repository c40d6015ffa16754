/**
 * HTML that is safe by construction: the tag `markup` escapes every string that is put into it, and only what the
 * tag itself has made goes in as it is. The mark is a symbol, so no value out of a JSON file can carry it.
 */
const TEXT = Symbol('markup')

export interface Markup {
  readonly [TEXT]: string
}

/** What may stand in a template; null and false are nothing, lists are joined. */
export type Part = Markup | string | number | null | false | readonly Part[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for element content and quoted attributes. Characters that HTML cannot hold become U+FFFD. */
export function escapeText(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
    .toWellFormed()
}

function render(part: Part): string {
  if (part === null || part === false) return ''
  if (typeof part === 'string') return escapeText(part)
  if (typeof part === 'number') return String(part)
  return isList(part) ? part.map(render).join('') : part[TEXT]
}

function isList(part: Markup | readonly Part[]): part is readonly Part[] {
  return Array.isArray(part)
}

/** A piece of HTML or SVG; every string put into it is escaped. */
export function markup(pieces: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { [TEXT]: pieces.reduce((text, piece, at) => text + render(parts[at - 1] ?? null) + piece) }
}

/** The HTML itself. */
export function textOf(piece: Markup): string {
  return piece[TEXT]
}
