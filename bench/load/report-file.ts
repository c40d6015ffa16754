import { readFile, writeFile } from 'node:fs/promises'
import { UsageError } from '../command.js'
import { quantilesOf } from './histogram.js'
import { LoadReport } from './load-report.js'

/**
 * Reads what `bench load --out` wrote.
 * @throws UsageError, in one line, when the file cannot be read or is not such a report
 */
export async function readLoadReport(path: string): Promise<LoadReport> {
  const result = LoadReport.safeParse(parseJson(path, await read(path)))
  if (!result.success) {
    const [issue] = result.error.issues
    const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`
    throw new UsageError(`${path} is not a report of bench load${where}`)
  }
  const report = result.data
  for (const part of [report, ...report.steps])
    for (const distribution of [part.ttft, part.itl, part.e2e])
      checkHistogram(path, () => quantilesOf(distribution))
  return report
}

/** Found out before a run rather than after it. @throws UsageError when one of the files cannot be written */
export async function checkWritable(paths: readonly (string | null)[]): Promise<void> {
  for (const path of paths) if (path !== null) await write(path, '', 'a')
}

/** @throws UsageError when the file cannot be written */
export async function writeText(path: string, text: string): Promise<void> {
  await write(path, text, 'w')
}

async function write(path: string, text: string, flag: 'a' | 'w'): Promise<void> {
  try {
    await writeFile(path, text, { flag })
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${wordsOf(error)}`, { cause: error })
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${wordsOf(error)}`, { cause: error })
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${path} is not JSON`, { cause: error })
  }
}

function checkHistogram(path: string, decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    throw new UsageError(`${path} is not a report of bench load (${wordsOf(error)})`, { cause: error })
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
