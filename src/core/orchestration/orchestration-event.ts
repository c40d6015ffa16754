import { z } from 'zod'

/** What the leader does to the fleet, as metrics count it. */
export const OrchestrationEvent = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('launch'),
    launcher: z.enum(['local', 'skypilot']),
    outcome: z.enum(['succeeded', 'no_capacity', 'refused', 'unauthorized', 'failed']),
    /** From the plan to its end. */
    seconds: z.number(),
  }),
  z.object({ event: z.literal('lost'), launcher: z.enum(['local', 'skypilot']) }),
  z.object({ event: z.literal('orphan_removed'), launcher: z.enum(['local', 'skypilot']) }),
  z.object({ event: z.literal('scaled'), direction: z.enum(['up', 'down']) }),
])
export type OrchestrationEvent = z.infer<typeof OrchestrationEvent>
