import { columns } from './columns.js'
import type { LoadSecond } from './load-report.js'
import { formatDuration, formatNumber } from './units.js'

/** Shows a run while it lasts. */
export interface Progress {
  /** A second is over. */
  readonly show: (second: LoadSecond) => void
  /** Leaves the terminal as it was. */
  readonly end: () => void
}

/** Where it is shown: `process.stderr`, or part of it. */
export interface Display {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Without a terminal a line is written for every so many seconds. */
const LINE_EVERY_SECONDS = 2

const HEADER = [
  '',
  'sent',
  'done',
  'failed',
  'left',
  'open',
  'tokens',
  'TTFT',
  'p99',
  'ITL',
  'p99',
  'E2E',
  'p99',
]

function cells(second: LoadSecond): string[] {
  return [
    second.second < 0 ? `warm-up, ${-second.second - 1} s left` : `after ${second.second + 1} s`,
    ...[
      second.sent,
      second.completed,
      second.failed,
      second.aborted,
      second.open,
      second.completionTokens,
    ].map(formatNumber),
    ...[second.ttftP50, second.ttftP99, second.itlP50, second.itlP99, second.e2eP50, second.e2eP99].map(
      formatDuration,
    ),
  ]
}

/** On a terminal two lines that are drawn again each second, else a line now and then. */
export function createProgress(display: Display): Progress {
  return display.isTTY === true ? drawn(display) : written(display)
}

function drawn(display: Display): Progress {
  let isShown = false
  const clear = (): void => {
    if (isShown) display.write('\x1b[2F\x1b[0J')
    isShown = false
  }
  return {
    show(second) {
      // A line that the terminal breaks would be two.
      const width = Math.max(20, (display.columns ?? 80) - 1)
      const block = columns([HEADER, cells(second)]).map((line) => `${line.slice(0, width)}\n`)
      clear()
      display.write(block.join(''))
      isShown = true
    },
    end: clear,
  }
}

function written(display: Display): Progress {
  return {
    show(second) {
      if (second.second % LINE_EVERY_SECONDS !== 0) return
      const [when = '', ...values] = cells(second)
      const named = values.map((value, at) => `${HEADER[at + 1] ?? ''} ${value}`)
      display.write(`${when}: ${named.join(', ')}\n`)
    },
    end() {},
  }
}
