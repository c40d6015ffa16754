import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Totals } from './records.js'

/** What the writer tells, see spool-process-entry.ts. Costs are text: IPC is JSON. */
export const WriterMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('opened'), epoch: z.string() }),
  z.object({
    type: z.literal('written'),
    bytes: z.number(),
    totals: z.object({
      requests: z.number(),
      failed: z.number(),
      aborted: z.number(),
      promptTokens: z.number(),
      cachedTokens: z.number(),
      completionTokens: z.number(),
      costNanos: z.string().transform((text) => BigInt(text)),
    }),
  }),
])
export type WriterMessage = z.input<typeof WriterMessage>

/** What was written, all of it synced and closed. */
export interface Written {
  readonly bytes: number
  readonly totals: Totals
}

/** A process that writes a spool, as a proxy would: so that its CPU is not the flusher's. */
export interface SpoolProcess extends AsyncDisposable {
  /** Name of the segments that it writes. */
  readonly epoch: string
  /** Rejects when it ended early. */
  readonly written: Promise<Written>
}

/** @param perSecond 0: as fast as the spool takes them @throws when the spool cannot be opened */
export async function startSpoolProcess(
  directory: string,
  requests: number,
  perSecond: number,
): Promise<SpoolProcess> {
  const child = fork(
    fileURLToPath(new URL('./spool-process-entry.js', import.meta.url)),
    [directory, String(requests), String(perSecond)],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  )
  let onOpened: (epoch: string) => void = () => {}
  let onWritten: (written: Written) => void = () => {}
  child.on('message', (message) => {
    const told = WriterMessage.parse(message)
    if (told.type === 'opened') onOpened(told.epoch)
    else onWritten(told)
  })
  const exited = once(child, 'exit')
  const early = exited.then(() => {
    throw new Error('the process that writes the spool ended early')
  })
  const opened = new Promise<string>((resolve) => (onOpened = resolve))
  const written = Promise.race([new Promise<Written>((resolve) => (onWritten = resolve)), early])
  written.catch(() => {})
  return {
    epoch: await Promise.race([opened, early]),
    written,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
