import { markup, textOf, type Markup, type Part } from './markup.js'
import { STYLE } from './style.js'

/** One self-contained page: its policy forbids scripts and anything from elsewhere. */
export function page(title: string, body: Part): string {
  return textOf(markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
${body}
</body>
</html>
`)
}

export interface Column {
  readonly title: string
  /** Words rather than figures. */
  readonly text?: boolean
}

export interface Row {
  /** The first is the row's header. */
  readonly cells: readonly Part[]
  readonly marked?: boolean
}

/** A table with headers for its columns and rows. */
export function table(caption: string, columns: readonly Column[], rows: readonly Row[]): Markup {
  const kind = (at: number): string => (columns[at]?.text === true ? 'text' : 'figure')
  return markup`<div class="scroll"><table>
<caption>${caption}</caption>
<thead><tr>${columns.map(({ title }, at) => markup`<th scope="col" class="${kind(at)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ({ cells, marked }) =>
    markup`<tr class="${marked === true ? 'answer' : 'plain'}">${cells.map((cell, at) =>
      at === 0
        ? markup`<th scope="row" class="${kind(at)}">${cell}</th>`
        : markup`<td class="${kind(at)}">${cell}</td>`,
    )}</tr>\n`,
)}</tbody>
</table></div>
`
}

/** Names and what they are. */
export function facts(caption: string, rows: readonly (readonly [string, Part])[]): Markup {
  return markup`<div class="scroll"><table class="facts">
<caption>${caption}</caption>
<tbody>
${rows.map(([name, value]) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>\n`)}</tbody>
</table></div>
`
}

/** What nobody may overlook. */
export function banner(title: string, text: string): Markup {
  return markup`<p class="banner" role="alert"><strong>${title}</strong>${text}</p>\n`
}
