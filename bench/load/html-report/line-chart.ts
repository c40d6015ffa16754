import type { Axis } from './axis.js'
import { markup, type Markup } from './markup.js'

/** Which colour of the page a series has. */
export type Tone = 'ttft' | 'itl' | 'e2e' | 'rate' | 'tokens' | 'open' | 'good' | 'failed'

export interface Point {
  readonly x: number
  /** Null: nothing was measured there, the line has a gap. */
  readonly y: number | null
}

export interface Series {
  readonly name: string
  readonly tone: Tone
  readonly stroke: 'solid' | 'dashed'
  /** Line, line with its points marked, or points alone. */
  readonly shape: 'line' | 'marked' | 'dots'
  readonly points: readonly Point[]
}

/** A threshold across the chart. */
export interface Limit {
  readonly y: number
  readonly tone: Tone
  readonly label: string
}

/** A shaded part of the x axis. */
export interface Band {
  readonly from: number
  readonly to: number
  readonly label: string
}

/** Where the pointer is shown a text: from one x to another. */
export interface Hover {
  readonly from: number
  readonly to: number
  readonly text: string
}

export interface Chart {
  /** Unique in the page, of letters and dashes. */
  readonly id: string
  readonly title: string
  readonly description: string
  /** Of the whole drawing, in the units of the drawing: it is scaled to the width of the page. */
  readonly width: number
  readonly height: number
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
  readonly limits?: readonly Limit[]
  readonly bands?: readonly Band[]
  /** x values of vertical lines, as between two steps of the load. */
  readonly cuts?: readonly number[]
  readonly hovers?: readonly Hover[]
}

interface Plot {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
  readonly px: (x: number) => number
  readonly py: (y: number) => number
}

/** Two decimals are a hundredth of a pixel; more would be noise in the file. */
const round = (value: number): number => Math.round(value * 100) / 100

/** A figure with its legend and one SVG of lines or points over labelled axes. */
export function lineChart(chart: Chart): Markup {
  const plot = plotOf(chart)
  const { id, title, description, width, height } = chart
  return markup`<figure class="chart">
<figcaption><strong>${title}</strong><span class="legend">${chart.series.map(legendEntry)}${bandEntry(chart.bands ?? [])}</span></figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">
<title id="${id}-title">${title}</title><desc id="${id}-desc">${description}</desc>
${(chart.bands ?? []).map((band) => drawBand(plot, band))}
${drawY(plot, chart.y)}${drawX(plot, chart.x)}
${(chart.cuts ?? []).map((x) => markup`<line class="cut" x1="${round(plot.px(x))}" x2="${round(plot.px(x))}" y1="${plot.top}" y2="${plot.bottom}"/>`)}
${(chart.limits ?? []).map((limit) => drawLimit(plot, limit))}
${chart.series.map((series) => drawSeries(plot, series))}
${(chart.hovers ?? []).map((hover) => drawHover(plot, hover))}
</svg></figure>
`
}

function plotOf({ width, height, x, y }: Chart): Plot {
  const [left, top, right, bottom] = [62, 22, width - 16, height - 40]
  return {
    left,
    top,
    right,
    bottom,
    px: (value) => left + x.position(value) * (right - left),
    py: (value) => bottom - y.position(value) * (bottom - top),
  }
}

function legendEntry({ name, tone, stroke, shape }: Series): Markup {
  const line = markup`<line class="line ${stroke}" x1="1" x2="23" y1="6" y2="6"/>`
  const dot = markup`<circle class="dot" cx="12" cy="6" r="3.5"/>`
  return markup`<span><svg class="tone-${tone} ${stroke}" viewBox="0 0 24 12" width="24" height="12" aria-hidden="true">${shape !== 'dots' && line}${shape !== 'line' && dot}</svg>${name}</span>`
}

/** All bands look alike, so they have one entry. */
function bandEntry(bands: readonly Band[]): Markup | null {
  if (bands.length === 0) return null
  const labels = bands.map(({ label }) => label).join(' and ')
  return markup`<span><svg viewBox="0 0 24 12" width="24" height="12" aria-hidden="true"><rect class="band" width="24" height="12"/></svg>${labels}</span>`
}

function drawY({ left, top, right, py }: Plot, { label, ticks }: Axis): Markup {
  const lines = ticks.map(({ value, label: text }) => {
    const y = round(py(value))
    return markup`<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/><text class="tick" x="${left - 7}" y="${y + 4}" text-anchor="end">${text}</text>`
  })
  return markup`${lines}<text class="label" x="4" y="${top - 9}">${label}</text>`
}

function drawX({ left, right, bottom, px }: Plot, { label, ticks }: Axis): Markup {
  const marks = ticks.map(({ value, label: text }) => {
    const x = round(px(value))
    return markup`<line class="axis" x1="${x}" x2="${x}" y1="${bottom}" y2="${bottom + 4}"/><text class="tick" x="${x}" y="${bottom + 17}" text-anchor="middle">${text}</text>`
  })
  return markup`<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>${marks}<text class="label" x="${right}" y="${bottom + 34}" text-anchor="end">${label}</text>`
}

function drawBand({ top, bottom, px }: Plot, { from, to }: Band): Markup {
  const [x, end] = [round(px(from)), round(px(to))]
  return markup`<rect class="band" x="${x}" y="${top}" width="${round(end - x)}" height="${bottom - top}"/>`
}

function drawLimit({ left, right, py }: Plot, { y, tone, label }: Limit): Markup {
  const at = round(py(y))
  return markup`<g class="tone-${tone}"><line class="limit" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/><text class="limit-label" x="${right - 2}" y="${at - 4}" text-anchor="end">${label}</text></g>`
}

function drawSeries(plot: Plot, { tone, stroke, shape, points }: Series): Markup {
  const runs = shape === 'dots' ? [] : unbroken(points)
  const lines = runs.map((run) => {
    const path = run.map(({ x, y }, at) => `${at === 0 ? 'M' : 'L'}${round(plot.px(x))} ${round(plot.py(y))}`)
    return markup`<path class="line ${stroke}" d="${path.join('')}"/>`
  })
  // A value between two gaps is no line, but has to be seen.
  const alone = shape === 'line' ? runs.filter((run) => run.length === 1).flat() : unbroken(points).flat()
  const radius = shape === 'line' ? 1.5 : shape === 'marked' ? 3.5 : 2.5
  const dots = alone.map(
    ({ x, y }) =>
      markup`<circle class="dot" cx="${round(plot.px(x))}" cy="${round(plot.py(y))}" r="${radius}"/>`,
  )
  return markup`<g class="tone-${tone} ${shape} ${stroke}">${lines}${dots}</g>`
}

/** The points cut into runs without a gap. */
function unbroken(points: readonly Point[]): { x: number; y: number }[][] {
  const runs: { x: number; y: number }[][] = []
  let run: { x: number; y: number }[] = []
  for (const { x, y } of points) {
    if (y !== null) {
      if (run.length === 0) runs.push(run)
      run.push({ x, y })
    } else run = []
  }
  return runs
}

/** A transparent strip that lights up under the pointer and tells its text: no script is needed for it. */
function drawHover({ top, bottom, px }: Plot, { from, to, text }: Hover): Markup {
  const [x, end] = [round(px(from)), round(px(to))]
  return markup`<rect class="hover" x="${x}" y="${top}" width="${round(Math.max(0.5, end - x))}" height="${bottom - top}"><title>${text}</title></rect>`
}
