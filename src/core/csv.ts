/** Spreadsheets take text that begins so for a formula and run it; the wide forms too, in some locales. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

/** Text that has to stand in quotes. */
const QUOTED = /[",\r\n]/

/** What a spreadsheet's cell holds; null and undefined are empty. */
export type CsvValue = string | null | undefined

/**
 * A record as one line of CSV (RFC 4180), its end included. A cell that a spreadsheet would run as a formula gets an
 * apostrophe before it, as OWASP advises; readers that are no spreadsheets see that apostrophe.
 */
export function csvLine(values: readonly CsvValue[]): string {
  return `${values.map(cell).join(',')}\r\n`
}

function cell(value: CsvValue): string {
  const text = value ?? ''
  const harmless = FORMULA.test(text) ? `'${text}` : text
  return QUOTED.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
