/** A command of the bench suite: `npm run bench -- NAME [options]`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** What `--help` prints. */
  readonly help: string
  /**
   * Resolves with the exit code: 0, or 1 when a run failed.
   * @throws UsageError when the arguments cannot be used
   */
  run(args: readonly string[]): Promise<number>
}

/** The caller has to change something: told in one line without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Runs a command to its exit code. */
export async function runCommand(name: string, command: Command, args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help)
    return 0
  }
  try {
    return await command.run(args)
  } catch (error) {
    if (error instanceof UsageError || isOptionError(error)) {
      const [line] = error.message.split('\n')
      process.stderr.write(`${name}: ${line} (see --help)\n`)
      return 2
    }
    const words = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${name}: the run FAILED: ${words}\n`)
    return 1
  }
}

/** What `parseArgs` of node:util throws. */
function isOptionError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('ERR_PARSE_ARGS')
  )
}

/** @throws UsageError when the text is not a whole number in these limits */
export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`--${name} takes a whole number from ${least} to ${most}, not "${text}"`)
}
