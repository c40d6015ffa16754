import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { renderReport } from '../../../bench/load/html-report.js'
import { packageRoot } from '../../../src/io/package-root.js'
import { startChromium } from '../../support/chromium.js'
import { reportFixture } from './report-fixture.js'

/** Where what the page looked like can be looked at after the run. */
const SCREENSHOTS = join(packageRoot, 'dist', 'screenshots')

/** What of the page can be seen to be wrong: plots without a size, marks outside of their plot, text over text. */
const LAYOUT = `(() => {
  const box = (element) => element.getBoundingClientRect()
  const plots = [...document.querySelectorAll('svg')].filter((svg) => box(svg).width > 100)
  const outside = [], overlapping = []
  for (const plot of plots) {
    const room = box(plot)
    const texts = [...plot.querySelectorAll('text')].filter((text) => text.textContent.trim() !== '')
    for (const mark of [...plot.querySelectorAll('path, polyline, circle, rect'), ...texts]) {
      const { left, right, top, bottom } = box(mark)
      if (left < room.left - 2 || right > room.right + 2 || top < room.top - 2 || bottom > room.bottom + 2)
        outside.push(mark.tagName + ' ' + mark.textContent)
    }
    texts.forEach((one, at) => texts.slice(at + 1).forEach((other) => {
      const a = box(one), b = box(other)
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
        overlapping.push(one.textContent + ' over ' + other.textContent)
    }))
  }
  return {
    plots: plots.length,
    filled: plots.filter((plot) =>
      plot.querySelectorAll('circle').length > 10
      || [...plot.querySelectorAll('path, polyline')].some((mark) => box(mark).width > 50)).length,
    outside, overlapping,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }
})()`

const Layout = z.object({
  plots: z.number(),
  filled: z.number(),
  outside: z.array(z.string()),
  overlapping: z.array(z.string()),
  wide: z.number(),
})

for (const [name, report, least] of [
  ['one-step', reportFixture({ seconds: 30 }), 3],
  ['ten-steps', reportFixture({ loads: [5, 10, 20, 30, 40, 50, 60, 70, 80, 90], seconds: 60 }), 4],
] as const) {
  for (const width of [1280, 600]) {
    test(`the page of ${name} shows its plots whole in a window of ${width} pixels, with no network`, async () => {
      await mkdir(SCREENSHOTS, { recursive: true })
      const file = join(SCREENSHOTS, `load-report-${name}.html`)
      await writeFile(file, renderReport(report))
      await using browser = await startChromium({ width })
      const page = await browser.open(pathToFileURL(file).href)
      await page.until('document.readyState === "complete" && document.querySelector("svg")')
      const layout = Layout.parse(await page.evaluate(LAYOUT))
      await page.screenshot(join(SCREENSHOTS, `load-report-${name}-${width}.png`))
      assert.ok(layout.plots >= least, `${layout.plots} plots`)
      assert.equal(layout.filled, layout.plots)
      assert.deepEqual(layout.outside, [])
      assert.deepEqual(layout.overlapping, [])
      assert.equal(layout.wide, 0, 'the page is wider than its window')
      assert.deepEqual(page.errors, [])
      assert.deepEqual(
        page.requested.filter((url) => !url.startsWith('file:') && !url.startsWith('data:')),
        [],
      )
    })
  }
}
