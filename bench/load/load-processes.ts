import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../command.js'
import { FromGenerator, type ResultPart, type SecondPart, type ToGenerator } from './generator-messages.js'
import type { LoadPlan } from './plan.js'

const MODULE = fileURLToPath(new URL('./load-process.js', import.meta.url))
/** From the order to start to the start, so that all processes have heard of it and their threads run. */
const START_AFTER_MS = 200

/** The generator's processes, ready to start. */
export interface LoadProcesses extends AsyncDisposable {
  /** Conversations of the prompt file that nobody asks anything in. */
  readonly skippedPrompts: number
  /**
   * Carries out the plan; once. `onSecond` is told of each process's seconds.
   * @returns what each process measured
   * @throws when one of them ends before its result
   */
  run(onSecond: (part: SecondPart) => void): Promise<ResultPart[]>
  /** Ends the run early; `run` resolves soon after. */
  stop(): void
}

class Generator {
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  onMessage: (message: FromGenerator) => void = () => {}

  constructor() {
    // In its own process group, so that Ctrl-C reaches the parent alone, which then decides.
    this.#child = fork(MODULE, [], { detached: true })
    this.exited = once(this.#child, 'exit')
    this.#child.on('message', (message) => {
      this.onMessage(FromGenerator.parse(message))
    })
  }

  tell(message: ToGenerator): void {
    if (this.#child.connected) this.#child.send(message)
  }

  /** The next message that `pick` takes. @throws when the process ends before */
  async next<T>(pick: (message: FromGenerator) => T | undefined): Promise<T> {
    const lost = this.exited.then((): never => {
      throw new Error('a generator process ended unexpectedly')
    })
    const picked = new Promise<T>((resolve) => {
      this.onMessage = (message) => {
        const value = pick(message)
        if (value !== undefined) resolve(value)
      }
    })
    return Promise.race([picked, lost])
  }

  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.exited
  }
}

/** Starts the plan's processes and lets them read prompts. @throws UsageError when one of them cannot */
export async function prepareLoadProcesses(plan: LoadPlan, model: string): Promise<LoadProcesses> {
  const generators = Array.from({ length: plan.processes }, () => new Generator())
  const endAll = async (): Promise<void> => {
    await Promise.all(generators.map((generator) => generator.end()))
  }
  const prepare = async (generator: Generator, index: number): Promise<number> => {
    generator.tell({ kind: 'prepare', plan, model, index })
    const answer = await generator.next((message) =>
      message.kind === 'ready' || message.kind === 'refused' ? message : undefined,
    )
    if (answer.kind === 'refused') throw new UsageError(answer.message)
    return answer.skipped
  }
  let skipped: number[]
  try {
    skipped = await Promise.all(generators.map(prepare))
  } catch (error) {
    await endAll()
    throw error
  }
  return {
    skippedPrompts: skipped[0] ?? 0,
    run(onSecond) {
      const at = performance.timeOrigin + performance.now() + START_AFTER_MS
      return Promise.all(
        generators.map((generator) => {
          const result = generator.next((message) => {
            if (message.kind === 'second') onSecond(message.part)
            return message.kind === 'result' ? message.part : undefined
          })
          generator.tell({ kind: 'start', at })
          return result
        }),
      )
    },
    stop() {
      for (const generator of generators) generator.tell({ kind: 'stop' })
    },
    [Symbol.asyncDispose]: endAll,
  }
}
