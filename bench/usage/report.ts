/** A figure in a line of its own, with its name before it and what it is held against behind. */
export function row(name: string, figure: string, remark = ''): string {
  return `  ${name.padEnd(22)}${figure.padStart(14)}  ${remark}`.trimEnd()
}

/** A goal and whether it was met. */
export function verdict(goal: string, met: boolean): string {
  return `goal ${goal}  ${met ? 'met' : 'MISSED'}`
}

/** A number without fraction, in groups of three digits. */
export function whole(value: number | bigint): string {
  return (typeof value === 'bigint' ? value : Math.round(value)).toLocaleString('en-US')
}
