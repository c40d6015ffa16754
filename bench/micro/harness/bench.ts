/** A micro bench: some piece of the hot path, measured alone. */
export interface MicroBench {
  /** As `--only` takes it. */
  readonly name: string
  /** What is measured, and what is part of it that the product does not do. */
  readonly title: string
  readonly cases: readonly MicroCase[]
}

/** One figure of a bench; runs in a process of its own. */
export interface MicroCase {
  /** Unique within the bench. */
  readonly name: string
  /** What one operation is. */
  readonly operation: string
  /** Most nanoseconds that an operation should take, held against the median. */
  readonly goalNs?: number
  /** How many operations one call of `run` carries out; 1 unless given. */
  readonly operationsPerRun?: number
  /** Makes the inputs, none of which is part of the figure. */
  start(): RunningCase | Promise<RunningCase>
}

/** A case that is ready to be measured. */
export interface RunningCase {
  /**
   * Carries out the operation, on other inputs from call to call. Returns what came of it, so that the compiler has to
   * make it; best an object, since a fraction would be allocated for the harness.
   */
  run(): unknown
  /** Between two samples, not timed. */
  tidy?(): void
  close?(): Promise<void>
}
