import type { ControlReport } from './kill-control.js'
import type { Measure } from './measure.js'

/** What a fleet has to be like after its control processes were killed. Mistakes are told one by one. */
export function controlMeasures(report: ControlReport, note: (line: string) => void): Measure[] {
  const { launched, twice, unknown, differences, settledMs } = report
  for (const [kind, of] of Object.entries({ twice, unknown, differences }))
    for (const one of of) note(`${kind}: ${one}`)
  const count = (what: string, figure: number, atMost: number | null): Measure => ({
    what,
    unit: '',
    figure,
    atMost,
  })
  return [
    count('machines launched', launched, null),
    count('machines launched twice', twice.length, 0),
    count('machines that no node knows of', unknown.length, 0),
    count('deployments, nodes, jobs and machines not as wanted', differences.length, 0),
    { what: 'longest time until as wanted', unit: 's', figure: Math.max(...settledMs) / 1000, atMost: null },
  ]
}
