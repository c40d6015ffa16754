/**
 * Runs the test suite: `node dist/test/run.js [words…]`, only the files whose path contains one of the words.
 * Installs the programs that tests need, starts one Postgres and one ClickHouse for the whole run, and ends with
 * the exit code of `node --test`. With CI=true nothing may be skipped.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { packageRoot } from '../src/io/package-root.js'
import { startEmbeddedClickHouse } from '../src/io/embedded/clickhouse.js'
import { startEmbeddedPostgres } from '../src/io/embedded/postgres.js'
import { NEEDED_PROGRAMS, install, installCommand, isInstalled } from './support/debian-packages.js'
import { processesIn } from './support/processes.js'
import { makeTemplateDatabase } from './support/template-database.js'
import { temporaryFolder } from './support/temporary-folder.js'

const CONCURRENT_FILES = 2
/** Of one file; a test that hangs must not hang the run. */
const FILE_TIMEOUT_MS = 15 * 60_000
const interrupted = new AbortController()
const isCi = process.env['CI'] === 'true'

interface TestFile {
  readonly path: string
  readonly source: string
}

async function findTests(words: readonly string[]): Promise<TestFile[]> {
  const root = join(packageRoot, 'dist', 'test')
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.test.js')).sort()
  const chosen = names.filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  return Promise.all(
    chosen.map(async (name) => ({
      path: join(root, name),
      source: await readFile(join(root, name), 'utf8'),
    })),
  )
}

/** @returns the files that cannot run here, with the command that would help */
async function findUnrunnable(files: readonly TestFile[]): Promise<Map<TestFile, string>> {
  const unrunnable = new Map<TestFile, string>()
  for (const program of NEEDED_PROGRAMS) {
    const users = files.filter(({ source }) => program.usedBy.test(source))
    if (users.length === 0 || (await isInstalled(program))) continue
    console.log(`installing ${program.debianPackage} for ${users.length} test files`)
    const failure = await install(program)
    if (failure === null) continue
    console.error(`${program.debianPackage} could not be installed: ${failure}`)
    for (const file of users) unrunnable.set(file, installCommand(program))
  }
  return unrunnable
}

/** @returns the exit code, and how many tests were skipped */
async function runTests(files: readonly TestFile[], env: NodeJS.ProcessEnv): Promise<[number, number]> {
  if (interrupted.signal.aborted) return [1, 0]
  await using folder = await temporaryFolder()
  const summary = join(folder.path, 'summary.tap')
  const child = spawn(
    process.execPath,
    [
      '--enable-source-maps',
      '--test',
      `--test-concurrency=${CONCURRENT_FILES}`,
      `--test-timeout=${FILE_TIMEOUT_MS}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${summary}`,
      ...files.map(({ path }) => path),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } },
  )
  interrupted.signal.addEventListener('abort', () => child.kill('SIGTERM'))
  const exit: unknown[] = await once(child, 'exit')
  const code = exit[0]
  const counts = await readFile(summary, 'utf8').catch(() => '')
  return [typeof code === 'number' ? code : 1, Number(/^# skipped (\d+)$/m.exec(counts)?.[1] ?? 0)]
}

async function main(): Promise<number> {
  const files = await findTests(process.argv.slice(2))
  if (files.length === 0) {
    console.error('no test file matches')
    return 1
  }
  const unrunnable = await findUnrunnable(files)
  const runnable = files.filter((file) => !unrunnable.has(file))

  await using folder = await temporaryFolder()
  await using postgres = await startEmbeddedPostgres({ dataDir: join(folder.path, 'postgres'), fsync: false })
  await using clickhouse = await startEmbeddedClickHouse({ dataDir: join(folder.path, 'clickhouse') })
  // All temporary folders of the tests, so that what they leave can be found.
  const scratch = join(folder.path, 'tests')
  await mkdir(scratch)
  await chmod(scratch, 0o755)
  const [code, skipped] = await runTests(runnable, {
    TMPDIR: scratch,
    TEST_DATABASE_URL: postgres.url,
    TEST_TEMPLATE_DATABASE: await makeTemplateDatabase(postgres.url),
    TEST_CLICKHOUSE_URL: clickhouse.url,
  })
  const leaked = await processesIn(scratch)
  for (const pid of leaked) {
    console.error(`a test left process ${pid}: ${await commandLine(pid)}`)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended with one that was killed before.
    }
  }

  for (const [{ path }, command] of unrunnable) {
    console.log(`skipped ${relative(packageRoot, path)}; to run it: ${command}`)
  }
  if (isCi && (unrunnable.size > 0 || skipped > 0)) {
    console.error(`CI=true, and ${unrunnable.size} files and ${skipped} tests were skipped`)
    return code || 1
  }
  return leaked.length > 0 ? code || 1 : code
}

async function commandLine(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.replaceAll('\0', ' ')
}

// The stores live in process groups of their own, so they have to be stopped whenever this process ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interrupted.abort()
  })
}
process.exitCode = await main()
