/** An INSERT whose rows stand apart from the statement. */
export interface RowInsert {
  /** `INSERT INTO table (columns)` */
  readonly target: string
  readonly format: string
  readonly rows: Buffer
}

const NAME = String.raw`(?:\w+|\x60[^\x60\\]+\x60)`
const COLUMNS = String.raw`\(\s*${NAME}(?:\s*,\s*${NAME})*\s*\)`
/** The formats in which a row is a line or more of text; VALUES is read by the engine's parser for SQL. */
const FORMATS = '(?:JSONEachRow|JSONCompactEachRow|CSV|CSVWithNames|TabSeparated|TabSeparatedWithNames|TSV)'
const STATEMENT = new RegExp(
  String.raw`^\s*(INSERT\s+INTO\s+(?:TABLE\s+)?${NAME}(?:\.${NAME})?(?:\s*${COLUMNS})?)\s+FORMAT\s+(${FORMATS})\s*$`,
  'i',
)

/** Whether a statement is `INSERT INTO table (columns) FORMAT format` and nothing else, and its parts; null when not. */
export function parseInsert(statement: string): Pick<RowInsert, 'target' | 'format'> | null {
  const [, target, format] = STATEMENT.exec(statement) ?? []
  return target === undefined || format === undefined ? null : { target, format }
}

/** The statement that reads the rows from a file. @param file a path without quotes, backslashes or glob characters */
export function insertFromFile(
  { target, format }: Pick<RowInsert, 'target' | 'format'>,
  file: string,
): string {
  return `${target} FROM INFILE '${file}' FORMAT ${format}`
}
