import { z } from 'zod'

export const costPerTokens = z
  .number()
  .nullable()
  .meta({
    description:
      'Dollars for a million tokens, prompt and completion: null without a token, and where a price or the tokens are not known.',
    examples: [0.42],
  })

export const idleShare = z
  .number()
  .nullable()
  .meta({
    description:
      'Share, 0 to 1, of the hours in which no request was under way, by the second: one that took a part of a second, or' +
      ' waited for the node, counts for all of that time, one that has not ended yet does not count. Null: not known.',
    examples: [0.35],
  })

/** What nodes cost, for a node and for a deployment. */
export const Cost = z
  .object({
    hours: z.number().meta({
      description:
        'That it cost something: from its registration, or from when its machine was asked for, until that is gone.',
      examples: [24],
    }),
    unpriced_hours: z
      .number()
      .meta({ description: 'Hours of which no price is known: missing from usd.', examples: [0] }),
    usd: z.number().meta({ description: 'At its prices of the time.', examples: [88.08] }),
    tokens: z
      .number()
      .int()
      .nullable()
      .meta({
        description: 'Prompt and completion tokens that it served, as usage has them; null: not known now.',
        examples: [209_714_286],
      }),
    usd_per_million_tokens: costPerTokens,
    idle_share: idleShare,
  })
  .meta({
    id: 'Cost',
    description: 'Over the last 24 hours, from the begin of the whole hour in UTC in which they begin.',
  })
