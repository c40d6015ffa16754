import assert from 'node:assert/strict'

export interface HtmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
}

const VOID = new Set(['meta', 'link', 'br', 'img', 'hr'])

/**
 * The elements of a page, in order, read as strictly as XML: every one is closed where it should be, every
 * attribute quoted and named once, every `<` and `&` begins a tag or an entity.
 */
export function elementsOf(html: string): HtmlElement[] {
  const elements: HtmlElement[] = []
  const open: string[] = []
  let rest = html.replace(/^<!doctype html>\s*/, '')
  while (rest !== '') {
    const [text = ''] = /^[^<]*/.exec(rest) ?? []
    assert.doesNotMatch(text, /&(?!(?:amp|lt|gt|quot|#39);)/, 'a bare ampersand')
    rest = rest.slice(text.length)
    if (rest === '') break
    const tag = /^<(\/?)([a-z][a-z0-9]*)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/i.exec(rest)
    assert.ok(tag, `no tag: ${rest.slice(0, 80)}`)
    const [all, closing, name = '', attributes = '', selfClosing] = tag
    rest = rest.slice(all.length)
    if (closing === '/') {
      assert.equal(open.pop(), name, `</${name}> closes something else`)
      continue
    }
    elements.push({ name, attributes: attributesOf(attributes) })
    if (selfClosing === '' && !VOID.has(name)) open.push(name)
  }
  assert.deepEqual(open, [], 'elements that are never closed')
  return elements
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  const all = [...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value] as const,
  )
  const attributes = new Map(all)
  assert.equal(attributes.size, all.length, `an attribute twice: ${text}`)
  return attributes
}
