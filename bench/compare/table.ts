import type { Row } from './row.js'

const GAP = '  '

/** Columns of text as wide as their widest cell; the first one to the left, the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length)
    })
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join(GAP)
      .trimEnd(),
  )
}

/** A figure with three or four digits that matter. */
export function shown(value: number): string {
  const size = Math.abs(value)
  if (size >= 100 || value === 0) return value.toFixed(0)
  return value.toFixed(size >= 10 ? 1 : 2)
}

function verdictOf({ goal, met }: Row): string {
  if (goal === null) return ''
  if (met === null) return 'not judged'
  return met ? 'met' : 'MISSED'
}

/** The final table: the gateway, then the peers in their order. */
export function formatTable(rows: readonly Row[], contenders: readonly string[]): string[] {
  const head = ['measure', 'unit', ...contenders, 'ratio to nginx: min – median – max', 'goal', '']
  const body = rows.map((row) => [
    row.measure,
    row.unit,
    ...contenders.map((name) => {
      const figure = row.figures[name]
      return figure === undefined ? '–' : shown(figure)
    }),
    row.ratio === null
      ? '–'
      : `${row.ratio.min.toFixed(2)} – ${row.ratio.median.toFixed(2)} – ${row.ratio.max.toFixed(2)}`,
    row.goal ?? '–',
    verdictOf(row),
  ])
  const [title = '', ...lines] = columns([head, ...body])
  return [title, '─'.repeat(Math.max(title.length, ...lines.map((line) => line.length))), ...lines]
}
