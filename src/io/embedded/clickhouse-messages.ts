import { z } from 'zod'

/** What the parent tells the process that holds the engine. */
export const ToEngine = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    folder: z.string(),
    /** 0: any free one. */
    port: z.number().int(),
    user: z.string(),
    password: z.string(),
  }),
  z.object({ type: z.literal('stop') }),
])
export type ToEngine = z.infer<typeof ToEngine>

/** What that process answers to `start`. */
export const FromEngine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), port: z.number().int() }),
  z.object({ type: z.literal('failed'), message: z.string() }),
])
export type FromEngine = z.infer<typeof FromEngine>

/** Written by the engine's process into its folder. */
export const ENGINE_PID_FILE = 'clickhouse.pid'
export const ENGINE_PROCESS_TITLE = 'crosslogic-clickhouse'
